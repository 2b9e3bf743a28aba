import type { CloseReason, Session, WillMessage } from '@breakwater/mqtt-endpoint';
import type { DeviceKey } from '@breakwater/twin';
import {
  type Clock,
  type DownlinkChannel,
  type EventLog,
  PlatformError,
  type SessionDirectory,
  type SessionEntry,
} from '@breakwater/twin-runtime';
import { encodeRecord, type RecordMessage } from '@breakwater/wire';

import type { AppendBatcher } from './append/append-batcher.ts';
import type { AppendOutcome } from './append/lane-queue.ts';
import { classify } from './classify/classify.ts';
import type { DeviceAuthenticator } from './identity/device-authenticator.ts';
import type { DeviceSession } from './session/device-session.ts';
import type { SessionClaim, StoredSessions } from './session/stored/stored-sessions.ts';
import { listensToCommands, listensToDesired } from './session/own-filters.ts';

export interface SessionLifecycleOptions {
  readonly directory: SessionDirectory;
  readonly downlinks: DownlinkChannel;
  readonly log: EventLog;
  readonly batcher: AppendBatcher;
  readonly authenticator: DeviceAuthenticator;
  readonly clock: Clock;
  /** The identity that sessions are opened under; null while there is none. */
  readonly gatewayId: () => string | null;
  readonly stored: Pick<StoredSessions, 'opened' | 'closed' | 'takeAbandoned'>;
  readonly fencedPairsMax: number;
}

const CLOSE_RETRY_MS = 1_000;

/** What a closed session's record says; `draining` is how the engine calls the gateway's own stop. */
const CLOSE_REASONS: Partial<Record<CloseReason, string>> = { draining: 'gatewayStopped' };

/**
 * Which devices are connected here, and what the log and the directory say of it. A device has one session: each gets
 * its number from the directory before anything of it is in the log, and what an older connection elsewhere might still
 * append is cut off first.
 */
export class SessionLifecycle {
  readonly #options: SessionLifecycleOptions;
  readonly #sessions = new Map<DeviceKey, Session<DeviceSession>>();
  readonly #closing = new Set<Promise<void>>();
  /** Dead gateways that are fenced already, per partition. */
  readonly #fenced = new Set<string>();

  constructor(options: SessionLifecycleOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#sessions.size;
  }

  keys(): Iterable<DeviceKey> {
    return this.#sessions.keys();
  }

  find(key: DeviceKey): Session<DeviceSession> | undefined {
    return this.#sessions.get(key);
  }

  /** Rejects when the connection must not go on. */
  async open(session: Session<DeviceSession>): Promise<void> {
    const device = session.identity;
    const { isResumed } = session;
    const claim =
      device.credential.kind === 'gatewayDevice'
        ? await this.#claimChild(device)
        : this.#options.stored.opened(device.sessionKey, { isResumed, memory: device.memory });
    const before = this.#sessions.get(device.key);
    device.sessionEpoch = claim.sessionEpoch;
    device.gatewayId = claim.gatewayId;
    if (claim.sessionEpoch > (before?.identity.sessionEpoch ?? 0)) this.#sessions.set(device.key, session);
    if (before !== undefined && this.#sessions.get(device.key) === session) endDisplaced(before, device);
    try {
      await this.#announce(session, claim);
    } catch (error) {
      this.#options.stored.closed(device.sessionKey, device.sessionEpoch);
      if (this.#sessions.get(device.key) === session) this.#sessions.delete(device.key);
      this.#inBackground(this.#leaveDirectory(device));
      throw error;
    }
  }

  /** Of the filters that are in force since now, is one for the desired state? Then the twin sends it whole. */
  subscribed(session: Session<DeviceSession>, filters: readonly string[]): void {
    const { device } = session.identity.device;
    if (filters.some((filter) => listensToDesired(filter, device))) this.requestDesired(session);
    if (filters.some((filter) => listensToCommands(filter, device))) this.requestCommands(session);
  }

  /**
   * Asks the twin for its whole delta. Not awaited: a session that ends before it gets it asks anew, and one whose
   * request did not get into the log is ended, or its device would wait for ever.
   */
  requestDesired(session: Session<DeviceSession>): void {
    this.#request(session, { kind: 'desiredSubscribed' });
  }

  /** Asks the twin for the commands that wait; like the delta, on pain of the connection. */
  requestCommands(session: Session<DeviceSession>): void {
    this.#request(session, { kind: 'commandsSubscribed' });
  }

  /** Puts what the gateway knows of the session into the log, as long as the session's identity stands. */
  record(device: DeviceSession, message: RecordMessage): void {
    this.#inBackground(this.#appendUntilDone(device, message).then(() => undefined));
  }

  closed(session: Session<DeviceSession>, reason: CloseReason, will: WillMessage | null): void {
    const device = session.identity;
    this.#options.stored.closed(device.sessionKey, device.sessionEpoch);
    if (this.#sessions.get(device.key) === session) this.#sessions.delete(device.key);
    if (!device.announced) return;
    this.#inBackground(this.#recordClose(device, CLOSE_REASONS[reason] ?? reason, will));
  }

  /** A will whose delay has passed. The twin passes it over when the device is back, at whichever gateway. */
  willDue({ identity: device }: Session<DeviceSession>, will: WillMessage): void {
    if (device.announced) this.#inBackground(this.#recordWill(device, will));
  }

  /** Called now and then: takeovers whose connection was lost in the middle of it are undone. */
  leaveAbandoned(): void {
    for (const claim of this.#options.stored.takeAbandoned()) this.#inBackground(this.#abandon(claim));
  }

  closeAll(reason: CloseReason): void {
    for (const session of this.#sessions.values()) session.close(reason);
  }

  /** Settles when every session that was closed is so in the log too. */
  async settled(): Promise<void> {
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }

  /** The engine claims what it keeps; a child device is none of its sessions, and is never kept. */
  async #claimChild({ partition, key }: DeviceSession): Promise<SessionClaim & { readonly firstEpoch: number }> {
    const gatewayId = this.#options.gatewayId();
    if (gatewayId === null) throw unavailable('the gateway has no identity now');
    const { sessionEpoch, displaced } = await this.#options.directory.open(partition, key, gatewayId);
    return { key, partition, sessionEpoch, gatewayId, displaced, firstEpoch: sessionEpoch };
  }

  /** The older connection is told all the same: the device has turned to this gateway. */
  async #abandon(claim: SessionClaim): Promise<void> {
    try {
      if (claim.displaced !== null) await this.#displace(claim, claim.displaced);
    } catch {
      // It learns of it from its next write, or from the next connection of the device.
    }
    await this.#leaveDirectory(claim);
  }

  /** Which messages may come again, and whether the memory may have all of them; the rest is in the log. */
  #recall({ identity: device, isResumed }: Session<DeviceSession>, firstEpoch: number): void {
    const { memory, sessionEpoch } = device;
    const before = memory.previousOf(sessionEpoch);
    device.previousEpoch = isResumed ? Math.min(before, firstEpoch) : before;
    if (before === 0) memory.beginsWhole();
    else if (memory.openedEpoch !== before) memory.missed();
  }

  async #announce(
    session: Session<DeviceSession>,
    { displaced, firstEpoch }: { readonly displaced: SessionEntry | null; readonly firstEpoch: number },
  ): Promise<void> {
    const device = session.identity;
    this.#recall(session, firstEpoch);
    if (displaced !== null && displaced.gatewayId !== device.gatewayId) await this.#displace(device, displaced);
    if (!(await this.#options.authenticator.isStillGood(device.device, device.credential))) {
      throw new PlatformError('UNAUTHENTICATED', 'the credential was revoked while the session was opened');
    }
    const message = { kind: 'sessionOpened', gatewayId: device.gatewayId, protocol: protocolName(session) } as const;
    // The identity may be lost, and another one taken, in any step before: nothing may enter the log under that one.
    this.#assertIdentityOf(device);
    const outcome = await this.#append(device, message);
    if (outcome.kind !== 'durable') throw unavailable('the session is not in the log');
    this.#assertIdentityOf(device);
    device.announced = true;
    device.memory.openedEpoch = Math.max(device.memory.openedEpoch, device.sessionEpoch);
    this.subscribed(session, [...session.subscriptions().keys()]);
  }

  #assertIdentityOf(device: DeviceSession): void {
    if (this.#options.gatewayId() === device.gatewayId) return;
    throw unavailable('the identity that the session was opened under is gone');
  }

  /** An older connection at another gateway: a living one is told, a dead one is fenced. */
  async #displace(device: Pick<SessionClaim, 'partition'>, displaced: SessionEntry): Promise<void> {
    const { directory, downlinks, log, fencedPairsMax } = this.#options;
    const pair = `${displaced.gatewayId}:${device.partition}`;
    if (this.#fenced.has(pair)) return;
    const living = await directory.liveGateways([displaced.gatewayId]);
    if (living.has(displaced.gatewayId)) {
      const { key, sessionEpoch } = displaced;
      await downlinks.send(displaced.gatewayId, [{ kind: 'closeSession', key, sessionEpoch, reason: 'takenOver' }]);
      return;
    }
    await log.fenceProducer(displaced.gatewayId, [device.partition]);
    if (this.#fenced.size >= fencedPairsMax) this.#fenced.clear();
    this.#fenced.add(pair);
  }

  async #recordClose(device: DeviceSession, reason: string, will: WillMessage | null): Promise<void> {
    if (will !== null) await this.#recordWill(device, will);
    if (await this.#appendUntilDone(device, { kind: 'sessionClosed', reason })) await this.#leaveDirectory(device);
  }

  async #recordWill(device: DeviceSession, will: WillMessage): Promise<void> {
    const content = { topic: will.topic, payload: will.payload, contentType: null, userProperties: [] };
    const { payloadFormat } = device.device.profile;
    const sender = { device: device.device.device, payloadFormat };
    const classified = classify(content, sender, this.#options.clock.nowMs());
    // A will that cannot be used was the device's to test; the end of its session is recorded all the same.
    if (classified.kind === 'good') await this.#appendUntilDone(device, classified.message);
  }

  /** False when the identity of the session is gone: then whoever owns its shard says that it is disconnected. */
  async #appendUntilDone(device: DeviceSession, message: RecordMessage): Promise<boolean> {
    while (this.#options.gatewayId() === device.gatewayId) {
      const outcome = await this.#append(device, message);
      if (outcome.kind === 'durable') return true;
      await this.#options.clock.sleep(CLOSE_RETRY_MS);
    }
    return false;
  }

  async #leaveDirectory(device: Omit<SessionClaim, 'displaced'>): Promise<void> {
    while (this.#options.gatewayId() === device.gatewayId) {
      try {
        await this.#options.directory.close(device.partition, device.key, device.sessionEpoch);
        return;
      } catch {
        await this.#options.clock.sleep(CLOSE_RETRY_MS);
      }
    }
  }

  #append(session: DeviceSession, message: RecordMessage): Promise<AppendOutcome> {
    const { device, partition, sessionEpoch, tenantShare: share } = session;
    const line = encodeRecord({
      tenant: device.tenant,
      device: device.device,
      incarnation: device.incarnation,
      sessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: this.#options.clock.nowMs(),
      traceparent: '',
      message,
    });
    const lane = message.kind === 'telemetry' || message.kind === 'event' ? 'telemetry' : 'control';
    return this.#options.batcher.append({ lane, partition, share }, line, 'keep');
  }

  #request(session: Session<DeviceSession>, message: RecordMessage): void {
    const request = this.#append(session.identity, message);
    this.#inBackground(
      request.then((outcome) => {
        if (outcome.kind !== 'durable') session.close('overloaded');
      }),
    );
  }

  #inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => this.#closing.delete(tracked));
    this.#closing.add(tracked);
  }
}

/**
 * The engine takes over a session of the same life itself. One of an older life, and one of a child device or by a
 * child device, has nobody else who ends it here.
 */
function endDisplaced(before: Session<DeviceSession>, by: DeviceSession): void {
  const { sessionKey, credential } = before.identity;
  const isOfChild = credential.kind === 'gatewayDevice' || by.credential.kind === 'gatewayDevice';
  if (sessionKey !== by.sessionKey) before.close('revoked');
  else if (isOfChild) before.close('takenOver');
}

function unavailable(message: string): PlatformError {
  return new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true });
}

function protocolName(session: Session<DeviceSession>): string {
  return session.protocolVersion === 5 ? 'mqtt5' : session.protocolVersion === 4 ? 'mqtt3.1.1' : 'mqtt3.1';
}
