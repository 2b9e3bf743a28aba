import { connect, type Socket } from 'node:net';

import { generate, type IPublishPacket, parser as createParser, type Packet } from 'mqtt-packet';

import { answersTo, type CommandStep, methodOf } from './command-answers.ts';

const TELEMETRY_TOPIC = 'v1/devices/me/telemetry';
const COMMANDS_TOPIC = 'v1/devices/me/commands/';
const REQUEST_PATTERN = /^v1\/devices\/[^/]+\/commands\/([^/]+)\/request$/;
/** Commands that a device remembers, so that one that comes again is not carried out again. */
const COMMANDS_KNOWN_MAX = 1_000;
const KEEPALIVE_SECONDS = 60;
const PACKET_ID_MAX = 65_535;
const RECONNECT_MS_MIN = 200;
const RECONNECT_MS_MAX = 5_000;
/** Publishes of one device that may be unacknowledged; past it the device skips its turn, and that is counted. */
const UNACKNOWLEDGED_MAX = 20_000;

export interface DeviceLogin {
  readonly id: string;
  readonly token: string;
}

export interface DeviceEvents {
  acknowledged(device: SimulatedDevice, seq: number, latencyMs: number): void;
  reconnecting(device: SimulatedDevice): void;
  /** It has ended a command. */
  answered?(device: SimulatedDevice): void;
}

/** What a device does about commands: it does not listen, answers each at once, or is slow or fails now and then. */
export type CommandManner = 'none' | 'prompt' | 'mixed';

export interface SimulatedDeviceOptions {
  readonly login: DeviceLogin;
  readonly host: string;
  readonly port: number;
  readonly events: DeviceEvents;
  readonly commands?: CommandManner;
}

interface Unacknowledged {
  /** Of the event; 0 for what is none. */
  readonly seq: number;
  readonly topic: string;
  readonly payload: string;
  readonly dueAtMs: number;
}

/**
 * A device that publishes QoS 1 telemetry over MQTT 3.1.1 and never gives up a message: what was not acknowledged is
 * sent again after a reconnect with the same id, so that the platform can tell that it is the same event.
 */
export class SimulatedDevice {
  readonly id: string;
  readonly #login: DeviceLogin;
  readonly #host: string;
  readonly #port: number;
  readonly #events: DeviceEvents;
  readonly #unacknowledged = new Map<number, Unacknowledged>();
  #socket: Socket | null = null;
  #ready = false;
  #stopped = false;
  #nextSeq = 1;
  #nextPacketId = 1;
  #reconnectMs = RECONNECT_MS_MIN;
  #whenReady: (() => void)[] = [];

  readonly #commands: CommandManner;
  readonly #knownCommands = new Set<string>();
  #commandCount = 0;

  constructor(options: SimulatedDeviceOptions) {
    this.id = options.login.id;
    this.#login = options.login;
    this.#host = options.host;
    this.#port = options.port;
    this.#events = options.events;
    this.#commands = options.commands ?? 'none';
  }

  get sent(): number {
    return this.#nextSeq - 1;
  }

  get unacknowledgedCount(): number {
    return this.#unacknowledged.size;
  }

  connect(): Promise<void> {
    const ready = new Promise<void>((resolve) => this.#whenReady.push(resolve));
    this.#open();
    return ready;
  }

  /** Publishes the next event; false when the device is over its limit of unacknowledged ones and skips it. */
  publish(dueAtMs: number): boolean {
    if (this.#unacknowledged.size >= UNACKNOWLEDGED_MAX) return false;
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    const packetId = this.#takePacketId();
    const payload = measurement(this.id, seq, dueAtMs);
    const entry = { seq, topic: TELEMETRY_TOPIC, payload, dueAtMs };
    this.#unacknowledged.set(packetId, entry);
    if (this.#ready) this.#write(packetId, entry, false);
    return true;
  }

  /** Writes of one round of the generator leave together. */
  cork(): void {
    this.#socket?.cork();
  }

  uncork(): void {
    this.#socket?.uncork();
  }

  close(): void {
    this.#stopped = true;
    if (this.#socket === null) return;
    this.#socket.write(generate({ cmd: 'disconnect' }));
    this.#socket.end();
  }

  #open(): void {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    this.#socket = socket;
    const parser = createParser({ protocolVersion: 4 });
    parser.on('packet', (packet) => this.#received(packet));
    socket.on('connect', () => {
      socket.write(
        generate({
          cmd: 'connect',
          protocolId: 'MQTT',
          protocolVersion: 4,
          clientId: this.id,
          clean: true,
          keepalive: KEEPALIVE_SECONDS,
          username: this.#login.token,
        }),
      );
    });
    socket.on('data', (bytes) => parser.parse(bytes as Buffer));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#lost());
    socket.setTimeout((KEEPALIVE_SECONDS * 1000) / 2, () => {
      if (this.#ready) socket.write(generate({ cmd: 'pingreq' }));
    });
  }

  #received(packet: Packet): void {
    if (packet.cmd === 'puback') {
      const packetId = packet.messageId ?? 0;
      const entry = this.#unacknowledged.get(packetId);
      if (entry === undefined) return;
      this.#unacknowledged.delete(packetId);
      if (entry.seq > 0) this.#events.acknowledged(this, entry.seq, Date.now() - entry.dueAtMs);
    } else if (packet.cmd === 'connack' && packet.returnCode === 0) {
      this.#ready = true;
      this.#reconnectMs = RECONNECT_MS_MIN;
      if (this.#commands !== 'none') this.#subscribe();
      for (const [packetId, entry] of this.#unacknowledged) this.#write(packetId, entry, true);
      for (const resolve of this.#whenReady.splice(0)) resolve();
    } else if (packet.cmd === 'publish') {
      this.#ordered(packet);
    }
  }

  #subscribe(): void {
    const subscriptions = [{ topic: `${COMMANDS_TOPIC}+/request`, qos: 1 as const }];
    this.#socket?.write(generate({ cmd: 'subscribe', messageId: this.#takePacketId(), subscriptions }));
  }

  #ordered({ topic, payload, messageId }: IPublishPacket): void {
    if (messageId !== undefined) this.#socket?.write(generate({ cmd: 'puback', messageId }));
    const commandId = REQUEST_PATTERN.exec(topic)?.[1];
    const method = methodOf(payload.toString());
    if (commandId === undefined || method === null || this.#knownCommands.has(commandId)) return;
    this.#remember(commandId);
    this.#commandCount += 1;
    for (const step of answersTo(this.#commandCount, method, this.#commands === 'prompt')) {
      if (step.afterMs === 0) this.#answer(commandId, step);
      else setTimeout(() => this.#answer(commandId, step), step.afterMs);
    }
  }

  #remember(commandId: string): void {
    this.#knownCommands.add(commandId);
    if (this.#knownCommands.size <= COMMANDS_KNOWN_MAX) return;
    for (const oldest of this.#knownCommands) {
      this.#knownCommands.delete(oldest);
      return;
    }
  }

  /** Kept until it is acknowledged, like an event: a device that has done something must get it told. */
  #answer(commandId: string, { tail, payload }: CommandStep): void {
    if (this.#stopped) return;
    const packetId = this.#takePacketId();
    const topic = `${COMMANDS_TOPIC}${commandId}/${tail}`;
    const entry = { seq: 0, topic, payload: JSON.stringify(payload), dueAtMs: Date.now() };
    this.#unacknowledged.set(packetId, entry);
    if (this.#ready) this.#write(packetId, entry, false);
    if (tail === 'response') this.#events.answered?.(this);
  }

  #lost(): void {
    this.#ready = false;
    this.#socket = null;
    if (this.#stopped) return;
    this.#events.reconnecting(this);
    const waitMs = this.#reconnectMs * (0.5 + Math.random());
    this.#reconnectMs = Math.min(this.#reconnectMs * 2, RECONNECT_MS_MAX);
    setTimeout(() => {
      if (!this.#stopped) this.#open();
    }, waitMs);
  }

  #write(packetId: number, { topic, payload }: Unacknowledged, dup: boolean): void {
    this.#socket?.write(generate({ cmd: 'publish', topic, payload, qos: 1, dup, retain: false, messageId: packetId }));
  }

  #takePacketId(): number {
    while (this.#unacknowledged.has(this.#nextPacketId)) this.#nextPacketId = (this.#nextPacketId % PACKET_ID_MAX) + 1;
    const packetId = this.#nextPacketId;
    this.#nextPacketId = (packetId % PACKET_ID_MAX) + 1;
    return packetId;
  }
}

/** About 90 bytes, five values; `seq` makes every event recognisable in the stored rows. */
function measurement(deviceId: string, seq: number, tsMs: number): string {
  const wave = Math.sin(seq / 50);
  const temperature = (20 + 5 * wave).toFixed(1);
  const humidity = (50 - 9 * wave).toFixed(1);
  const volts = (3.6 + wave / 10).toFixed(2);
  return `{"id":"${seq}","ts":${tsMs},"values":{"seq":${seq},"t":${temperature},"h":${humidity},"v":${volts},"on":${seq % 2}}}`;
}
