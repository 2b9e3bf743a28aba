import type { CloseReason, Session, WillMessage } from '@breakwater/mqtt-endpoint';
import { type DeviceKey, type SessionEpoch, splitDeviceKey } from '@breakwater/twin';
import { type Clock, PlatformError, type SessionDirectory } from '@breakwater/twin-runtime';
import { encodeRecord, partitionOf, type RecordMessage } from '@breakwater/wire';

import type { AppendBatcher } from './append/append-batcher.ts';
import type { AppendOutcome } from './append/lane-queue.ts';
import type { QueueShare } from './append/waiting-records.ts';
import { classify } from './classify/classify.ts';
import type { DeviceAuthenticator } from './identity/device-authenticator.ts';
import { RecencyMap } from './protection/recency-map.ts';
import type { DeviceSession } from './session/device-session.ts';
import type { ResendMemories } from './session/resend-memories.ts';
import type { SessionTakeover } from './session/session-takeover.ts';
import type { SessionClaim, StoredSessions } from './session/stored/stored-sessions.ts';
import { listensToCommands, listensToDesired } from './session/own-filters.ts';

export interface SessionLifecycleOptions {
  readonly directory: Pick<SessionDirectory, 'open' | 'close' | 'find' | 'heard'>;
  readonly takeover: SessionTakeover;
  readonly batcher: AppendBatcher;
  readonly authenticator: DeviceAuthenticator;
  readonly memories: ResendMemories;
  readonly clock: Clock;
  readonly partitionCount: number;
  readonly recordBytesMax: number;
  /** The identity that sessions are opened under; null while there is none. */
  readonly gatewayId: () => string | null;
  readonly stored: Pick<StoredSessions, 'opened' | 'closed' | 'takeAbandoned'>;
}

const CLOSE_RETRY_MS = 1_000;
/** Connections that are remembered to be taken over before they were open. */
const OVERTAKEN_MAX = 10_000;

type OpeningClaim = SessionClaim & { readonly firstEpoch: number };

/** Of whom a record is. */
interface RecordOrigin extends Pick<SessionClaim, 'key' | 'partition' | 'incarnation' | 'sessionEpoch' | 'gatewayId'> {
  readonly share?: QueueShare;
}

/** Of a connection that took the device over and then was never open. */
const CLOSED_UNOPENED = { kind: 'sessionClosed', reason: 'takenOver' } as const;
/** What a closed session's record says; `draining` is how the engine calls the gateway's own stop. */
const CLOSE_REASONS: Partial<Record<CloseReason, string>> = { draining: 'gatewayStopped' };

/**
 * Which devices are connected here, and what the log and the directory say of it. A device has one session: each gets
 * its number from the directory before anything of it is in the log, and what an older connection elsewhere might still
 * append is waited for, or cut off, first.
 *
 * Who has a device in the directory says what becomes of it, and leaves the directory last. So a session that moved to
 * another gateway is not recorded as closed here: the device is not gone.
 */
export class SessionLifecycle {
  readonly #options: SessionLifecycleOptions;
  readonly #sessions = new Map<DeviceKey, Session<DeviceSession>>();
  readonly #closing = new Set<Promise<void>>();
  /** Sessions that are over, and still have something on the way to the log. */
  readonly #ending = new Set<string>();
  /** Connections that another gateway took over before they were open. */
  readonly #overtaken = new RecencyMap<true>(OVERTAKEN_MAX);

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
    this.#options.memories.open(device);
    try {
      await this.#open(session);
    } catch (error) {
      this.#inBackground(this.#options.memories.close(device));
      throw error;
    }
  }

  async #open(session: Session<DeviceSession>): Promise<void> {
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
      this.#inBackground(this.#leaveUnopened(originOf(device), claim));
      throw error;
    }
  }

  /** Another gateway has the device now, and waits until nothing of it can come from here any more. */
  takenOver({ key, sessionEpoch }: { readonly key: DeviceKey; readonly sessionEpoch: SessionEpoch }): void {
    const partition = partitionOf(key, this.#options.partitionCount);
    const name = nameOf({ key, sessionEpoch });
    const session = this.#sessions.get(key);
    const isHere = session?.identity.sessionEpoch === sessionEpoch;
    const { directory } = this.#options;
    let said: Promise<unknown>;
    if (isHere || this.#ending.has(name)) {
      said = directory.heard(partition, key, sessionEpoch);
    } else {
      // It may be on the way to be opened, and then it will not be.
      this.#overtaken.set(name, true);
      said = directory.close(partition, key, sessionEpoch);
    }
    // Who waits for it asks again.
    this.#inBackground(said.then(nothing, nothing));
    if (isHere) session.close('takenOver');
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
    this.#inBackground(this.#appendUntilDone(originOf(device), message).then(() => undefined));
  }

  closed(session: Session<DeviceSession>, reason: CloseReason, will: WillMessage | null): void {
    const device = session.identity;
    this.#options.stored.closed(device.sessionKey, device.sessionEpoch);
    if (this.#sessions.get(device.key) === session) this.#sessions.delete(device.key);
    // What has not entered the log by now would stand behind what the device says by its newer connection.
    if (reason === 'takenOver') device.broken = true;
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
  async #claimChild({ partition, key, device: { incarnation } }: DeviceSession): Promise<OpeningClaim> {
    const gatewayId = this.#options.gatewayId();
    if (gatewayId === null) throw unavailable('the gateway has no identity now');
    const { sessionEpoch, previousEpoch, leaving } = await this.#options.directory.open(partition, key, gatewayId);
    return { key, partition, incarnation, sessionEpoch, previousEpoch, gatewayId, leaving, firstEpoch: sessionEpoch };
  }

  /** The older connection is told all the same: the device has turned to this gateway. */
  async #abandon(claim: SessionClaim): Promise<void> {
    try {
      await this.#options.takeover.tell(claim);
    } catch {
      // It learns of it from its next write, or from the next connection of the device.
    }
    await this.#leaveUnopened(claim, claim);
  }

  /** The connection before is over by this one, which never was: nobody else says that the device is gone. */
  async #leaveUnopened(origin: RecordOrigin, { leaving }: Pick<SessionClaim, 'leaving'>): Promise<void> {
    const isSaid = leaving.length === 0 || (await this.#appendUntilDone(origin, CLOSED_UNOPENED));
    if (isSaid) await this.#leaveDirectory(origin);
  }

  /** Which messages may come again, and whether the memory may have all of them; the rest is in the log. */
  #recall(
    { identity: device, isResumed }: Session<DeviceSession>,
    { firstEpoch, previousEpoch, leaving }: Pick<OpeningClaim, 'firstEpoch' | 'previousEpoch' | 'leaving'>,
  ): void {
    const { memory, sessionEpoch } = device;
    const before = memory.previousOf(sessionEpoch, previousEpoch);
    // Between those that still leave and this one, the device may have been let in by nobody.
    const previous = Math.min(before, ...leaving.map((older) => older.sessionEpoch));
    device.previousEpoch = isResumed ? Math.min(previous, firstEpoch) : previous;
    if (before === 0) memory.beginsWhole();
    else if (memory.openedEpoch !== before) memory.missed();
  }

  async #announce(session: Session<DeviceSession>, claim: OpeningClaim): Promise<void> {
    const device = session.identity;
    this.#recall(session, claim);
    await this.#options.takeover.finish(claim);
    if (this.#overtaken.get(nameOf(claim)) === true) throw unavailable('another gateway has the device by now');
    if (!(await this.#options.authenticator.isStillGood(device.device, device.credential))) {
      // Which tells the device that it need not try again; a failure to open would say the contrary.
      session.close('revoked');
      throw new PlatformError('UNAUTHENTICATED', 'the credential was revoked while the session was opened');
    }
    const message = { kind: 'sessionOpened', gatewayId: device.gatewayId, protocol: protocolName(session) } as const;
    // The identity may be lost, and another one taken, in any step before: nothing may enter the log under that one.
    this.#assertIdentityOf(device);
    const outcome = await this.#append(originOf(device), message);
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

  async #recordClose(device: DeviceSession, reason: string, will: WillMessage | null): Promise<void> {
    const name = nameOf(device);
    const origin = originOf(device);
    this.#ending.add(name);
    try {
      const hasMoved = reason === 'takenOver' && (await this.#isElsewhere(device));
      if (will !== null && !hasMoved) await this.#recordWill(device, will);
      if (!hasMoved && !(await this.#appendUntilDone(origin, { kind: 'sessionClosed', reason }))) return;
      // Whoever has the device next must find in the log what was read of it here.
      while (device.gate !== null) await device.gate;
      const settled = device.memory.settledUpTo(device.sessionEpoch);
      if (hasMoved) device.memory.letGoFlying(device.sessionEpoch);
      await settled;
      await this.#leaveDirectory(origin);
    } finally {
      this.#ending.delete(name);
      await this.#options.memories.close(device);
    }
  }

  /** False as well when the identity of the session is gone. */
  async #isElsewhere({ partition, key, sessionEpoch, gatewayId }: DeviceSession): Promise<boolean> {
    while (this.#options.gatewayId() === gatewayId) {
      try {
        const [entry] = await this.#options.directory.find(partition, [key]);
        return entry != null && entry.sessionEpoch > sessionEpoch && entry.gatewayId !== gatewayId;
      } catch {
        await this.#options.clock.sleep(CLOSE_RETRY_MS);
      }
    }
    return false;
  }

  async #recordWill(device: DeviceSession, will: WillMessage): Promise<void> {
    const content = { topic: will.topic, payload: will.payload, contentType: null, userProperties: [] };
    const { payloadFormat } = device.device.profile;
    const sender = { device: device.device.device, payloadFormat };
    const classified = classify(content, sender, this.#options.clock.nowMs());
    // A will that cannot be used was the device's to test; the end of its session is recorded all the same.
    if (classified.kind !== 'good') return;
    const origin = originOf(device);
    // One that no frame can hold would be tried for ever, and the end of the session behind it.
    if (Buffer.byteLength(this.#lineOf(origin, classified.message)) > this.#options.recordBytesMax) return;
    await this.#appendUntilDone(origin, classified.message);
  }

  /** False when the identity of the session is gone: then whoever owns its shard says that it is disconnected. */
  async #appendUntilDone(origin: RecordOrigin, message: RecordMessage): Promise<boolean> {
    while (this.#options.gatewayId() === origin.gatewayId) {
      const outcome = await this.#append(origin, message);
      if (outcome.kind === 'durable') return true;
      await this.#options.clock.sleep(CLOSE_RETRY_MS);
    }
    return false;
  }

  async #leaveDirectory({ partition, key, sessionEpoch, gatewayId }: RecordOrigin): Promise<void> {
    while (this.#options.gatewayId() === gatewayId) {
      try {
        await this.#options.directory.close(partition, key, sessionEpoch);
        return;
      } catch {
        await this.#options.clock.sleep(CLOSE_RETRY_MS);
      }
    }
  }

  #append(origin: RecordOrigin, message: RecordMessage): Promise<AppendOutcome> {
    const { partition, share } = origin;
    const lane = message.kind === 'telemetry' || message.kind === 'event' ? 'telemetry' : 'control';
    const line = this.#lineOf(origin, message);
    return this.#options.batcher.append({ lane, partition, ...(share && { share }) }, line, 'keep');
  }

  #lineOf({ key, incarnation, sessionEpoch }: RecordOrigin, message: RecordMessage): string {
    return encodeRecord({
      ...splitDeviceKey(key),
      incarnation,
      sessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: this.#options.clock.nowMs(),
      traceparent: '',
      message,
    });
  }

  #request(session: Session<DeviceSession>, message: RecordMessage): void {
    const request = this.#append(originOf(session.identity), message);
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

function originOf(session: DeviceSession): RecordOrigin {
  const { key, partition, sessionEpoch, gatewayId, tenantShare: share } = session;
  return { key, partition, incarnation: session.device.incarnation, sessionEpoch, gatewayId, share };
}

function nameOf({ key, sessionEpoch }: Pick<RecordOrigin, 'key' | 'sessionEpoch'>): string {
  return `${key} ${sessionEpoch}`;
}

function nothing(): void {}

function unavailable(message: string): PlatformError {
  return new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true });
}

function protocolName(session: Session<DeviceSession>): string {
  return session.protocolVersion === 5 ? 'mqtt5' : session.protocolVersion === 4 ? 'mqtt3.1.1' : 'mqtt3.1';
}
