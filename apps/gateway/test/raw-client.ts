import { connect, type Socket } from 'node:net';

import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';

import { until } from './gateway-fixture.ts';

export type RawConnect = Partial<IConnectPacket> & { readonly protocolVersion: 4 | 5 };

/** A client that sends exactly what a test says: DUP flags, packet ids, bytes that are no MQTT. */
export class RawClient {
  readonly packets: Packet[] = [];
  closed = false;
  readonly #socket: Socket;
  readonly #version: 4 | 5;

  private constructor(socket: Socket, version: 4 | 5) {
    this.#socket = socket;
    this.#version = version;
    const parsing = parser({ protocolVersion: version });
    parsing.on('packet', (packet: Packet) => this.packets.push(packet));
    socket.on('data', (bytes) => parsing.parse(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
  }

  static open(port: number, device: string, version: 4 | 5 = 4): Promise<RawClient> {
    return RawClient.openAs(port, { clientId: device, protocolVersion: version });
  }

  /** By default as the device that the client id names. */
  static async openAs(port: number, connectPacket: Partial<IConnectPacket> & { clientId: string }): Promise<RawClient> {
    const { clientId, protocolVersion = 4 } = connectPacket;
    const version = protocolVersion === 5 ? 5 : 4;
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const client = new RawClient(socket, version);
    client.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      clean: true,
      keepalive: 60,
      username: clientId,
      password: Buffer.from(`token-${clientId}`),
      ...connectPacket,
      protocolVersion: version,
    });
    await until('CONNACK', () => client.packets.length > 0 || client.closed);
    return client;
  }

  /** The code of CONNACK; null when none came. */
  get connackCode(): number | null {
    const [first] = this.packets;
    return first?.cmd === 'connack' ? (first.returnCode ?? first.reasonCode ?? 0) : null;
  }

  /** CONNACK said yes. */
  get accepted(): boolean {
    return this.connackCode === 0;
  }

  send(packet: Packet): void {
    this.#socket.write(generate(packet, { protocolVersion: this.#version }));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  publish(messageId: number, payload: string, more: Partial<IPublishPacket> = {}): void {
    const topic = 'v1/devices/me/telemetry';
    this.send({ cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId, ...more });
  }

  /** Packet ids of the PUBACKs so far. */
  acknowledged(): readonly number[] {
    return this.packets.flatMap((packet) => (packet.cmd === 'puback' ? [packet.messageId ?? 0] : []));
  }

  async acknowledgements(count: number): Promise<readonly number[]> {
    await until(`${count} PUBACKs`, () => this.acknowledged().length >= count || this.closed);
    return this.acknowledged();
  }

  /** What came, in short and without CONNACK: `publish 1 dup`, `pubrec 2`, `disconnect 0x8e`. */
  heard(): readonly string[] {
    return this.packets.slice(1).map((packet) => {
      const code = 'reasonCode' in packet && packet.reasonCode ? ` 0x${packet.reasonCode.toString(16)}` : '';
      const dup = packet.cmd === 'publish' && packet.dup ? ' dup' : '';
      return `${packet.cmd}${packet.messageId === undefined ? '' : ` ${packet.messageId}`}${code}${dup}`;
    });
  }

  async hears(what: string): Promise<void> {
    await until(`${what}, not only ${this.heard().join(', ')}`, () => this.heard().includes(what) || this.closed);
  }

  /** The session was there. */
  get sessionPresent(): boolean {
    const [first] = this.packets;
    return first?.cmd === 'connack' && first.sessionPresent;
  }

  /** As `openAs`, for a device whose client id is its own. */
  static connect(port: number, device: string, more: RawConnect): Promise<RawClient> {
    return RawClient.openAs(port, { clientId: device, ...more });
  }

  drop(): void {
    this.#socket.destroy();
  }
}
