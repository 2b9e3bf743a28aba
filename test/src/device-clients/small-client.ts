import { createConnection, type Socket } from 'node:net';

import {
  ACCEPTED_TOPIC,
  DESIRED_TOPIC,
  REPORTED,
  REPORTED_TOPIC,
  TELEMETRY_COUNT,
  TELEMETRY_TOPIC,
  waitFor,
  type DeviceClient,
  type DeviceReport,
  type DeviceSession,
} from './device-session.ts';

/** What PubSubClient starts with (MQTT_MAX_PACKET_SIZE); packets beyond it are read and thrown away. */
export const SMALL_BUFFER_BYTES = 256;
const KEEPALIVE_S = 15;

const PacketType = { connack: 2, publish: 3, puback: 4, suback: 9, pingresp: 13 } as const;

/**
 * What firmware on a small chip does: MQTT 3.1.1, one buffer of 256 bytes, one packet at a time. As PubSubClient it
 * publishes with QoS 0 only, and drops what is larger than its buffer without a word; as the client of ESP-IDF it
 * publishes with QoS 1. It is written after what they send on the wire, not with their code.
 */
export class SmallClient {
  readonly received: { readonly topic: string; readonly payload: string }[] = [];
  readonly acknowledged = new Set<number>();
  /** Packets that did not fit into the buffer. */
  dropped = 0;
  pongs = 0;
  closed = false;
  #connackCode: number | null = null;
  #subackCode: number | null = null;
  readonly #socket: Socket;
  readonly #buffer = Buffer.alloc(SMALL_BUFFER_BYTES);
  #held = 0;
  /** Bytes of a packet over the buffer that are still to come. */
  #skip = 0;
  #packetId = 0;

  constructor(host: string, port: number) {
    this.#socket = createConnection({ host, port });
    this.#socket.on('data', (bytes) => bytes.forEach((byte) => this.#read(byte)));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => (this.closed = true));
  }

  /** Connects with the token as user name, as `client.connect(id, token, NULL)` does. */
  async connect(clientId: string, token: string): Promise<void> {
    const flags = 0x82;
    this.#send(0x10, [...text('MQTT'), 4, flags, 0, KEEPALIVE_S, ...text(clientId), ...text(token)]);
    await this.#wait('CONNACK', () => this.#connackCode !== null);
    if (this.#connackCode !== 0) throw new Error(`CONNACK ${String(this.#connackCode)}`);
  }

  async subscribe(filter: string): Promise<void> {
    this.#subackCode = null;
    this.#send(0x82, [...this.#nextId(), ...text(filter), 1]);
    await this.#wait('SUBACK', () => this.#subackCode !== null);
    if (this.#subackCode === 0x80) throw new Error(`${filter} was refused`);
  }

  publishQos0(topic: string, payload: object): void {
    this.#send(0x30, [...text(topic), ...Buffer.from(JSON.stringify(payload))]);
  }

  /** One at a time, as the outbox of ESP-IDF sends them. */
  async publishQos1(topic: string, payload: object): Promise<void> {
    const id = this.#nextId();
    this.#send(0x32, [...text(topic), ...id, ...Buffer.from(JSON.stringify(payload))]);
    await this.#wait('PUBACK', () => this.acknowledged.has(this.#packetId));
  }

  async ping(): Promise<void> {
    const before = this.pongs;
    this.#send(0xc0, []);
    await this.#wait('PINGRESP', () => this.pongs > before);
  }

  disconnect(): void {
    this.#send(0xe0, []);
    this.#socket.end();
  }

  /** The chip loses its network: no DISCONNECT. */
  drop(): void {
    this.#socket.destroy();
  }

  #nextId(): readonly number[] {
    this.#packetId += 1;
    return [this.#packetId >> 8, this.#packetId & 0xff];
  }

  #send(first: number, body: readonly number[]): void {
    const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7];
    if (1 + length.length + body.length > SMALL_BUFFER_BYTES) throw new Error('larger than the buffer: not sent');
    this.#socket.write(Buffer.from([first, ...length, ...body]));
  }

  #read(byte: number): void {
    if (this.#skip > 0) {
      this.#skip -= 1;
      return;
    }
    this.#buffer[this.#held] = byte;
    this.#held += 1;
    const whole = this.#wholeBytes();
    if (whole === null) return;
    if (whole > SMALL_BUFFER_BYTES) {
      this.dropped += 1;
      this.#skip = whole - this.#held;
      this.#held = 0;
    } else if (this.#held === whole) {
      this.#held = 0;
      this.#handle(this.#buffer.subarray(0, whole));
    }
  }

  /** The length of the packet in the buffer; null while it cannot be told. */
  #wholeBytes(): number | null {
    let length = 0;
    for (let at = 1; at < Math.min(this.#held, 5); at += 1) {
      const byte = this.#buffer[at] as number;
      length += (byte & 0x7f) * 128 ** (at - 1);
      if (byte < 0x80) return 1 + at + length;
    }
    return null;
  }

  #handle(packet: Buffer): void {
    const type = (packet[0] as number) >> 4;
    const bodyAt = (packet[1] as number) < 0x80 ? 2 : 3;
    if (type === PacketType.connack) this.#connackCode = packet[bodyAt + 1] as number;
    else if (type === PacketType.suback) this.#subackCode = packet[bodyAt + 2] as number;
    else if (type === PacketType.puback) this.acknowledged.add(packet.readUInt16BE(bodyAt));
    else if (type === PacketType.pingresp) this.pongs += 1;
    else if (type === PacketType.publish) this.#handlePublish(packet, bodyAt);
  }

  #handlePublish(packet: Buffer, bodyAt: number): void {
    const topicEnd = bodyAt + 2 + packet.readUInt16BE(bodyAt);
    const hasId = ((packet[0] as number) & 0x06) !== 0;
    if (hasId) this.#send(0x40, [...packet.subarray(topicEnd, topicEnd + 2)]);
    this.received.push({
      topic: packet.toString('utf8', bodyAt + 2, topicEnd),
      payload: packet.toString('utf8', topicEnd + (hasId ? 2 : 0)),
    });
  }

  async #wait(what: string, condition: () => boolean): Promise<void> {
    await waitFor(what, () => condition() || this.closed);
    if (!condition()) throw new Error(`the connection was closed before ${what}`);
  }
}

function text(value: string): readonly number[] {
  const bytes = Buffer.from(value);
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

/** A device with a buffer of 256 bytes, as PubSubClient or as the client of ESP-IDF. */
export function smallDevice(kind: 'PubSubClient' | 'ESP-IDF'): DeviceClient {
  return { name: `like ${kind}, MQTT 3.1.1, 256 bytes`, run: (session) => runSession(session, kind) };
}

async function runSession(session: DeviceSession, kind: 'PubSubClient' | 'ESP-IDF'): Promise<DeviceReport> {
  const chip = new SmallClient(session.host, session.port);
  try {
    await chip.connect('chip', session.token);
    // Not `twin/#`: a chip asks only for what it reads.
    for (const topic of [DESIRED_TOPIC, ACCEPTED_TOPIC]) await chip.subscribe(topic);
    await session.subscribed();
    for (let seq = 1; seq <= TELEMETRY_COUNT; seq += 1) {
      if (kind === 'PubSubClient') chip.publishQos0(TELEMETRY_TOPIC, { seq });
      else await chip.publishQos1(TELEMETRY_TOPIC, { seq });
    }
    chip.publishQos0(REPORTED_TOPIC, REPORTED);
    await waitFor('reported/accepted', () => chip.received.some(({ topic }) => topic === ACCEPTED_TOPIC));
    await chip.ping();
    const interval = (): unknown =>
      chip.received
        .filter(({ topic }) => topic === DESIRED_TOPIC)
        .map(({ payload }) => (JSON.parse(payload) as { interval?: number }).interval)
        .find((value) => value !== undefined);
    await waitFor('the desired interval', () => interval() !== undefined);
    chip.disconnect();
    return { lastAcknowledged: TELEMETRY_COUNT, interval: Number(interval()) };
  } finally {
    chip.drop();
  }
}
