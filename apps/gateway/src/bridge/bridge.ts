import type { InboundMessage, PublishOutcome, SharedPublishRate } from '@breakwater/mqtt-endpoint';
import type { Counter, Gauge, Logger, Metrics } from '@breakwater/observability';
import { type DeviceId, isDeviceId } from '@breakwater/twin';
import { type Clock, PlatformError } from '@breakwater/twin-runtime';
import type { ErrorCode } from '@breakwater/wire';
import type { IPublishPacket } from 'mqtt-packet';

import { digestOf, type MessageIntake } from '../message-intake.ts';
import type { DeviceSession } from '../session/device-session.ts';
import { BridgedDevices, type BridgedDevice, type BridgedDevicesOptions } from './bridged-devices.ts';
import { BridgedMemories } from './bridged-memories.ts';
import { BrokerConnection } from './broker-connection.ts';
import { TopicTemplate } from './topic-template.ts';

export interface BridgeSettings {
  readonly bridgeUrl: string;
  readonly bridgeUsername: string;
  readonly bridgePassword: string;
  readonly bridgeClientId: string;
  readonly bridgeShare: string;
  readonly bridgeTopic: string;
  readonly bridgeTenant: string;
  readonly bridgeDevice: string;
  readonly bridgeReceiveMax: number;
  readonly bridgeSessionExpirySeconds: number;
  readonly bridgeRegistryCacheMs: number;
  readonly packetBytesMax: number;
  readonly connectTimeoutMs: number;
  readonly drainMs: number;
  readonly resendEntriesMax: number;
}

export interface BridgeOptions {
  readonly settings: BridgeSettings &
    Omit<BridgedDevicesOptions, 'registry' | 'memories' | 'tenantShares' | 'clock' | 'clientId' | 'remoteAddress'>;
  readonly devices: Pick<BridgedDevicesOptions, 'registry' | 'tenantShares'>;
  readonly intake: Pick<MessageIntake, 'take' | 'takeRead' | 'letGo'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** A message that is to be acknowledged, in the order in which they came. */
interface Slot {
  readonly packetId: number;
  isDurable: boolean;
  /** Null until it is found, and for a message of nobody's. */
  device: BridgedDevice | null;
}

/** A message, and the connection that brought it. */
interface Came {
  readonly publish: IPublishPacket;
  readonly slot: Slot;
  readonly connection: BrokerConnection;
}

interface Passing {
  readonly bytes: number;
  readonly identity: DeviceSession;
}

const KEEPALIVE_SECONDS = 60;
const RECONNECT_MS_MIN = 500;
const RECONNECT_MS_MAX = 15_000;
const RATE_POLL_MS = 20;
const GIVEN_UP: PublishOutcome = { kind: 'failed', detail: 'the connection ended before the message had its turn' };

/**
 * Devices that stay at another broker: reads it as one of the subscribers of a shared filter, and acknowledges each
 * message to it only when its record is durable. What is not acknowledged comes again after a reconnect, since the
 * session there is kept. Whatever goes wrong with one message ends the connection, never the message.
 */
export class Bridge {
  readonly #options: BridgeOptions;
  readonly #template: TopicTemplate;
  readonly #url: URL;
  readonly #connectedGauge: Gauge;
  readonly #disconnects: Counter;
  readonly #memories: BridgedMemories;
  #devices: BridgedDevices;
  #connection: BrokerConnection | null = null;
  #isReady = false;
  #isStopped = false;
  #run: Promise<void> = Promise.resolve();
  #inProcess = 0;
  #onIdle: (() => void) | null = null;
  readonly #stopping = new AbortController();

  /** @throws PlatformError SETTING_INVALID */
  constructor(options: BridgeOptions) {
    this.#options = options;
    const { bridgeTopic, bridgeTenant, bridgeUrl, bridgeDevice } = options.settings;
    this.#template = new TopicTemplate(bridgeTopic, bridgeTenant);
    this.#url = readUrl(bridgeUrl);
    if (!isDeviceId(bridgeDevice)) throw new PlatformError('SETTING_INVALID', 'BRIDGE_DEVICE is no device id');
    this.#memories = new BridgedMemories(options.settings);
    this.#devices = this.#createDevices();
    const { metrics } = options;
    this.#connectedGauge = metrics.gauge('bridge_connected', 'The bridge is subscribed at the other broker.');
    this.#disconnects = metrics.counter('bridge_disconnects_total', 'Connections to the other broker that ended.');
  }

  /** It is subscribed. */
  get isReady(): boolean {
    return this.#isReady;
  }

  start(): void {
    this.#run = this.#connectAgainAndAgain();
  }

  /** Takes no more, and says goodbye when what it took is acknowledged, or it took too long. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#connection?.setPaused(true);
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    const overdue = this.#options.clock.sleep(this.#options.settings.drainMs, this.#stopping.signal);
    if (this.#inProcess > 0) await Promise.race([idle, overdue.catch(() => undefined)]);
    else overdue.catch(() => undefined);
    this.#stopping.abort();
    this.#connection?.end();
    await this.#run;
  }

  async #connectAgainAndAgain(): Promise<void> {
    const { clock, logger } = this.#options;
    let pauseMs = RECONNECT_MS_MIN;
    while (!this.#isStopped) {
      const cause = await this.#connectOnce(() => {
        pauseMs = RECONNECT_MS_MIN;
      });
      if (this.#isStopped) return;
      this.#disconnects.inc();
      logger.warn({ broker: this.#url.host, cause, againInMs: pauseMs }, 'the bridge lost its broker');
      await clock.sleep(pauseMs, this.#stopping.signal).catch(() => undefined);
      pauseMs = Math.min(RECONNECT_MS_MAX, 2 * pauseMs);
    }
  }

  /** Settles with the cause when the connection is over. */
  #connectOnce(onReady: () => void): Promise<string> {
    const { settings, logger } = this.#options;
    const slots: Slot[] = [];
    // A device of which a message was not stored takes nothing more: with the connection it begins anew.
    this.#devices = this.#createDevices();
    return new Promise((resolve) => {
      const connection: BrokerConnection = new BrokerConnection({
        url: this.#url,
        username: settings.bridgeUsername,
        password: settings.bridgePassword,
        clientId: settings.bridgeClientId,
        filter: `$share/${settings.bridgeShare}/${this.#template.filter}`,
        receiveMax: settings.bridgeReceiveMax,
        packetBytesMax: settings.packetBytesMax,
        sessionExpirySeconds: settings.bridgeSessionExpirySeconds,
        connectTimeoutMs: settings.connectTimeoutMs,
        keepaliveSeconds: KEEPALIVE_SECONDS,
        onReady: () => {
          logger.info({ broker: this.#url.host, filter: this.#template.filter }, 'the bridge is subscribed');
          this.#setReady(true);
          onReady();
        },
        onPublish: (publish) => this.#take(connection, slots, publish),
        onClosed: (cause) => {
          this.#setReady(false);
          giveUp(slots);
          resolve(cause);
        },
      });
      this.#connection = connection;
    });
  }

  #take(connection: BrokerConnection, slots: Slot[], publish: IPublishPacket): void {
    const slot: Slot = { packetId: publish.messageId ?? 0, isDurable: false, device: null };
    slots.push(slot);
    this.#inProcess += 1;
    // The broker keeps to the receive maximum; QoS 0 knows none.
    if (slots.length >= this.#options.settings.bridgeReceiveMax) connection.setPaused(true);
    const ended = (isDurable: boolean, cause: string): void => {
      slot.isDurable = isDurable;
      this.#inProcess -= 1;
      if (!isDurable) connection.close(cause);
      this.#acknowledge(connection, slots);
      if (this.#inProcess === 0) this.#onIdle?.();
    };
    this.#store({ publish, slot, connection }).then(
      (outcome) => ended(isAnswerable(outcome), 'a message is not in the log'),
      (error: unknown) => ended(false, error instanceof Error ? error.message : String(error)),
    );
  }

  #acknowledge(connection: BrokerConnection, slots: Slot[]): void {
    while (slots[0]?.isDurable === true) {
      const { packetId } = slots.shift() as Slot;
      if (packetId !== 0) connection.acknowledge(packetId);
    }
    if (!this.#isStopped && slots.length < this.#options.settings.bridgeReceiveMax) connection.setPaused(false);
  }

  async #store({ publish, slot, connection }: Came): Promise<PublishOutcome> {
    const place = this.#template.read(publish.topic);
    if (place === null) return this.#refuse(publish, 'TOPIC_UNKNOWN', 'the topic names no device');
    const device = await this.#devices.of(place.tenant, place.device);
    if (device === null) {
      return this.#refuse(publish, 'DEVICE_UNKNOWN', `${place.tenant} has no device ${place.device}`);
    }
    slot.device = device;
    if (connection.isClosed) giveUp([slot]);
    const message = toMessage(publish, place.topic);
    // In turn, and its answer is not waited for: the next one may go to the log with it.
    const entered = device.turn.then(() => this.#enter(device, message));
    device.turn = entered.catch(() => undefined);
    return (await entered).outcome;
  }

  async #enter(device: BridgedDevice, message: InboundMessage): Promise<{ readonly outcome: Promise<PublishOutcome> }> {
    const { session, rate } = device;
    const bytes = message.payload.byteLength;
    const { identity } = session;
    const { tenantShare, memory } = identity;
    await this.#passes(rate, { bytes, identity });
    if (tenantShare.rate !== null) await this.#passes(tenantShare.rate, { bytes, identity });
    if (identity.broken) {
      this.#options.intake.letGo(session, message);
      return { outcome: Promise.resolve(GIVEN_UP) };
    }
    // It may have been taken, by us or by another bridge, and not acknowledged.
    if (message.dup) memory.missed();
    const outcome = new Promise<PublishOutcome>((settle, fail) => {
      const known = this.#options.intake.take(session, message, { settle });
      known?.then(settle, fail);
    });
    return { outcome };
  }

  /** Settles as well when it is of no use any more. */
  async #passes(rate: SharedPublishRate, { bytes, identity }: Passing): Promise<void> {
    const { clock } = this.#options;
    const now = (): number => clock.nowMs();
    while (!identity.broken && !rate.take(bytes, { isWaiting: true, now })) await clock.sleep(RATE_POLL_MS);
  }

  /** Kept as a dead letter in the bridge's own name. */
  #refuse(publish: IPublishPacket, code: ErrorCode, detail: string): Promise<PublishOutcome> {
    const { settings, intake, clock } = this.#options;
    const place = { tenant: settings.bridgeTenant as never, device: settings.bridgeDevice as DeviceId };
    const { session } = this.#devices.unregistered(place.tenant, place.device);
    const message = toMessage(publish, publish.topic);
    const read = {
      classified: { kind: 'dead', code, detail } as const,
      receivedAtMs: clock.nowMs(),
      digest: digestOf(message),
    };
    return intake.takeRead(session, message, read);
  }

  #setReady(isReady: boolean): void {
    this.#isReady = isReady;
    this.#connectedGauge.set(isReady ? 1 : 0);
  }

  #createDevices(): BridgedDevices {
    const { settings, devices, clock } = this.#options;
    const { bridgeClientId: clientId } = settings;
    const places = { memories: this.#memories, clientId, remoteAddress: this.#url.host };
    return new BridgedDevices({ ...settings, ...devices, ...places, clock });
  }
}

/**
 * Nothing more of these devices goes to the log by the connection that ended. The broker brings what still waited for
 * its turn again, and then it would stand there twice, and behind what came later.
 */
function giveUp(slots: readonly Slot[]): void {
  for (const { device } of slots) if (device !== null) device.session.identity.broken = true;
}

/** Stored, or refused and kept as a dead letter: the broker has nothing to do with which. */
function isAnswerable({ kind }: PublishOutcome): boolean {
  return kind === 'stored' || kind === 'refused';
}

/** The packet id is the broker's and says nothing of the device: a message is recognised by its `id` alone. */
function toMessage({ payload, qos, dup, retain, properties }: IPublishPacket, topic: string): InboundMessage {
  const userProperties = Object.entries(properties?.userProperties ?? {}).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  );
  return {
    topic,
    payload: Buffer.from(payload),
    qos: qos === 0 ? 0 : 1,
    dup,
    retain,
    packetId: 0,
    contentType: properties?.contentType ?? null,
    userProperties,
  };
}

/** @throws PlatformError SETTING_INVALID */
function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === 'mqtt:' || url.protocol === 'mqtts:') && url.hostname !== '') return url;
  throw new PlatformError('SETTING_INVALID', 'BRIDGE_URL is to be mqtt://host:port or mqtts://host:port');
}
