import type { DeliveryOutcome, Session } from '@breakwater/mqtt-endpoint';
import type { CommandDispatch, Partition } from '@breakwater/twin';
import type { Clock, Downlink, DownlinkChannel, GatewayNotice, TwinStore } from '@breakwater/twin-runtime';
import { ownBytes } from '@breakwater/wire';

import { commandMessage } from './commands/command-message.ts';
import type { CommandReports } from './commands/command-reports.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { DeviceAuthenticator } from './identity/device-authenticator.ts';
import type { DeviceSession } from './session/device-session.ts';
import { DESIRED_TOPIC, topicHeard } from './session/own-filters.ts';
import type { SessionLifecycle } from './session-lifecycle.ts';

export interface DownlinkDeliveryOptions {
  readonly channel: DownlinkChannel;
  readonly outbox: Pick<TwinStore, 'confirmOutbox'>;
  readonly sessions: SessionLifecycle;
  readonly reports: CommandReports;
  readonly authenticator: DeviceAuthenticator;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly waitMs: number;
  /** How long the device's PUBACK is waited for before the downlink counts as the session's. */
  readonly answerMs: number;
  readonly onTrouble: (detail: string) => void;
}

type Handling =
  | 'delivered'
  /** The device has it, and answered that it does not take it. */
  | 'refused'
  | 'unanswered'
  | 'overflowed'
  | 'expired'
  | 'dropped'
  | 'tooLarge'
  /** In flight in a session that another gateway continues, and that sends it again. */
  | 'handedOver'
  | 'noSession'
  | 'notListening'
  | 'repeated'
  | 'stale'
  | 'underWay';

type NotDelivered = Extract<DeliveryOutcome, { kind: 'notDelivered' }>['reason'];

/** Each of them confirms: either the device has it, or its next session is told the whole state. */
const HANDLINGS: Readonly<Record<NotDelivered, Handling>> = {
  sessionEnded: 'noSession',
  // The connection was lost before it was sent, and with the next one the device is told the whole state.
  offline: 'noSession',
  handedOver: 'handedOver',
  expired: 'expired',
  dropped: 'dropped',
  tooLarge: 'tooLarge',
  queueFull: 'overflowed',
};

/** From here on a reason code of MQTT is a refusal. */
const REFUSED = 0x80;

const RETRY_MS = 500;
/** How long confirmations are gathered, so that those of many devices are one call per partition. */
const CONFIRM_MS = 10;

/**
 * Brings to devices what their twins send. A downlink is confirmed when its session took it or that session is gone:
 * a new session asks for the whole state. What was not confirmed comes again, so each is recognised by its outbox id.
 *
 * No device can hold up the others of its shard, whose outbox is bounded: what a device leaves unanswered counts as
 * taken after a while, and a connection that has no room is ended, which gives its device all of it anew.
 *
 * A session may outlive its connection, yet what a twin sends is for this connection: what still waits when it ends is
 * let go of, because the next one is told the whole state. What is in flight by then is the session's, which sends it
 * again; here it counts as taken, and its outbox id is never sent under another connection.
 *
 * Two things must not reach a device: what a former owner of the shard still sends, and an older desired state after a
 * newer one.
 */
export class DownlinkDelivery {
  readonly #options: DownlinkDeliveryOptions;
  /** The newest ownership period that was heard of, per partition: the counter in front of the epoch. */
  readonly #epochs = new Map<Partition, number>();
  readonly #confirmable = new Map<Partition, Set<string>>();
  #confirmArmed = false;
  #gatewayId: string | null = null;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: DownlinkDeliveryOptions) {
    this.#options = options;
  }

  /** Listens under this identity until the next call; null stops. */
  listenAs(gatewayId: string | null): void {
    this.#gatewayId = gatewayId;
    if (gatewayId !== null) this.#loop = this.#loop.then(() => this.#receive(gatewayId));
  }

  async stopped(): Promise<void> {
    this.#gatewayId = null;
    await this.#loop;
    await this.#confirm();
  }

  async #receive(gatewayId: string): Promise<void> {
    while (this.#gatewayId === gatewayId) {
      try {
        for (const notice of await this.#options.channel.receive(gatewayId, this.#options.waitMs)) this.#handle(notice);
      } catch (error) {
        this.#options.onTrouble(`downlinks were not received: ${messageOf(error)}`);
        await this.#options.clock.sleep(RETRY_MS);
      }
    }
  }

  #handle(notice: GatewayNotice): void {
    if (notice.kind === 'downlink') {
      void this.#deliver(notice.downlink);
      return;
    }
    const { key, sessionEpoch, reason } = notice;
    if (reason === 'takenOver') {
      if (sessionEpoch !== null) this.#options.sessions.takenOver({ key, sessionEpoch });
      return;
    }
    this.#options.authenticator.forget(key);
    const session = this.#options.sessions.find(key);
    if (session === undefined) return;
    if (sessionEpoch === null || sessionEpoch === session.identity.sessionEpoch) session.close('revoked');
  }

  async #deliver(downlink: Downlink): Promise<void> {
    const handling = await this.#send(downlink);
    this.#options.metrics.downlinks.inc({ result: handling });
    if (handling === 'stale' || handling === 'underWay') return;
    const ids = this.#confirmable.get(downlink.partition) ?? new Set();
    this.#confirmable.set(downlink.partition, ids.add(downlink.outboxId));
    if (this.#confirmArmed) return;
    this.#confirmArmed = true;
    await this.#options.clock.sleep(CONFIRM_MS);
    this.#confirmArmed = false;
    await this.#confirm();
  }

  async #send(downlink: Downlink): Promise<Handling> {
    if (this.#isStale(downlink)) return 'stale';
    const session = this.#options.sessions.find(downlink.key);
    if (session === undefined || session.identity.sessionEpoch !== downlink.sessionEpoch) return 'noSession';
    const { downlinks, device } = session.identity;
    const first = downlinks.begin(downlink.outboxId);
    // It is on its way already; its first coming is what confirms it.
    if (first !== 'new') return first === 'done' ? 'repeated' : 'underWay';
    const { command } = downlink;
    if (command !== undefined) {
      return this.#ended(session, downlink, await this.#sendCommand(session, { ...downlink, command }));
    }
    const topic = topicHeard(session.subscriptions().keys(), downlink.topic, device.device);
    if (topic === null) return this.#ended(session, downlink, 'notListening');
    if (downlink.topic === DESIRED_TOPIC && !downlinks.raiseDesired(downlink.twinVersion)) {
      // The device knows a newer state, without what this one holds: it is sent the whole delta instead.
      this.#options.sessions.requestDesired(session);
      return this.#ended(session, downlink, 'delivered');
    }
    const message = { topic, payload: ownBytes(downlink.payload), qos: downlink.qos, onlyWhileConnected: true };
    const sent = session.send(message);
    void sent.then((outcome) => this.#makeUpForDropped(session, downlink, outcome));
    return this.#ended(session, downlink, await this.#handlingOf(session, sent));
  }

  /** A command's twin is told what became of it. After its deadline it is not sent, however late it came here. */
  async #sendCommand(
    session: Session<DeviceSession>,
    downlink: Downlink & { readonly command: CommandDispatch },
  ): Promise<Handling> {
    const { clock, reports } = this.#options;
    const { command } = downlink;
    const nowMs = clock.nowMs();
    const message = command.deadlineMs <= nowMs ? null : commandMessage(session, downlink, nowMs);
    if (message === null) {
      reports.notSent(session.identity, command);
      return command.deadlineMs <= nowMs ? 'expired' : 'notListening';
    }
    const sent = session.send(message);
    void reports.follow(session.identity, command, sent);
    return this.#handlingOf(session, sent);
  }

  async #handlingOf(session: Session<DeviceSession>, sent: Promise<DeliveryOutcome>): Promise<Handling> {
    const outcome = await this.#outcomeOf(sent);
    if (outcome === null) return 'unanswered';
    if (outcome.kind === 'delivered') return outcome.reasonCode < REFUSED ? 'delivered' : 'refused';
    const handling = HANDLINGS[outcome.reason];
    if (handling === 'overflowed') session.close('overloaded');
    return handling;
  }

  /**
   * Without a part of its desired state that was dropped, the device would take the next part for all that is new. The
   * whole is asked for when the device takes messages again: while its queue is full, that would drop the next one.
   */
  #makeUpForDropped(session: Session<DeviceSession>, downlink: Downlink, outcome: DeliveryOutcome): void {
    const { downlinks } = session.identity;
    if (outcome.kind === 'delivered') {
      if (downlinks.takeDropped()) this.#options.sessions.requestDesired(session);
    } else if (outcome.reason === 'dropped' && downlink.topic === DESIRED_TOPIC) downlinks.dropped();
  }

  /** Null when the device has it, or will, but leaves it unanswered. */
  async #outcomeOf(sent: Promise<DeliveryOutcome>): Promise<DeliveryOutcome | null> {
    const answered = new AbortController();
    const waited = this.#options.clock.sleep(this.#options.answerMs, answered.signal);
    const unanswered = waited.then(
      () => null,
      () => null,
    );
    try {
      return await Promise.race([sent, unanswered]);
    } finally {
      answered.abort();
    }
  }

  #ended(session: Session<DeviceSession>, downlink: Downlink, handling: Handling): Handling {
    session.identity.downlinks.done(downlink.outboxId);
    return handling;
  }

  #isStale({ partition, epoch }: Downlink): boolean {
    const counter = Number.parseInt(epoch, 10);
    const newest = this.#epochs.get(partition) ?? 0;
    if (counter < newest) return true;
    this.#epochs.set(partition, counter);
    return false;
  }

  async #confirm(): Promise<void> {
    const confirmable = [...this.#confirmable];
    this.#confirmable.clear();
    const confirmations = confirmable.map(async ([partition, ids]) => {
      try {
        await this.#options.outbox.confirmOutbox(partition, [...ids]);
      } catch (error) {
        // They come again, are recognised, and are then confirmed.
        this.#options.onTrouble(`downlinks were not confirmed: ${messageOf(error)}`);
      }
    });
    await Promise.all(confirmations);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
