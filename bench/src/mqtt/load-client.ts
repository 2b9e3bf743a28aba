import { connect, type Socket } from 'node:net';

import { generate } from 'mqtt-packet';

const PUBACK = 0x40;
const PACKET_ID_MAX = 65_535;
/** The gateway's Receive Maximum: more on the way would end an MQTT 5 connection. */
const IN_FLIGHT_MAX = 32;
/** Source addresses of loopback, so that ports do not run out. */
const SOURCE_ADDRESSES = 16;

export interface LoadTarget {
  readonly port: number;
  readonly version: 4 | 5;
}

export interface ConnectOptions extends LoadTarget {
  readonly clientId: string;
  readonly subscribes: boolean;
  readonly sessionExpirySeconds: number;
}

let lastSource = 0;

/**
 * A device that costs the load generator next to nothing: its packets are made once, and of what comes back only the
 * types and lengths are read.
 */
export class LoadClient {
  readonly #socket: Socket;
  readonly #publish: Buffer;
  readonly #idOffset: number;
  #rest: Buffer = Buffer.alloc(0);
  #packetId = 0;
  #inFlight = 0;
  /** Messages that are due and wait for acknowledgements of earlier ones. */
  #waiting = 0;
  #isClosing = false;
  #heard: (type: number) => void = () => undefined;
  /** Called with the number of PUBACKs of one chunk. */
  onAcknowledged: (count: number) => void = () => undefined;

  /** The connection ended, and not by us. */
  onLost: () => void = () => undefined;

  private constructor(socket: Socket, version: 4 | 5, payloadBytes: number) {
    this.#socket = socket;
    const topic = 'v1/devices/me/telemetry';
    const payload = Buffer.alloc(payloadBytes, 'x');
    const packet = { cmd: 'publish', topic, payload, qos: 1, messageId: 1, dup: false, retain: false } as const;
    this.#publish = generate(packet, { protocolVersion: version });
    this.#idOffset = this.#publish.indexOf(topic) + topic.length;
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (!this.#isClosing) this.onLost();
    });
  }

  static async connect(options: ConnectOptions, payloadBytes = 200): Promise<LoadClient> {
    const { version, clientId } = options;
    lastSource = (lastSource + 1) % SOURCE_ADDRESSES;
    const socket = connect({ port: options.port, host: '127.0.0.1', localAddress: `127.0.0.${2 + lastSource}` });
    socket.setNoDelay(true);
    const client = new LoadClient(socket, version, payloadBytes);
    const keeps = options.sessionExpirySeconds > 0;
    const properties = { sessionExpiryInterval: options.sessionExpirySeconds };
    await client.#exchange(
      generate(
        {
          cmd: 'connect',
          protocolId: 'MQTT',
          protocolVersion: version,
          clientId,
          username: clientId,
          clean: !keeps,
          keepalive: 600,
          ...(keeps && version === 5 && { properties }),
        },
        { protocolVersion: version },
      ),
    );
    if (options.subscribes) {
      const subscriptions = [{ topic: 'v1/devices/me/twin/desired', qos: 1 as const }];
      await client.#exchange(generate({ cmd: 'subscribe', messageId: 1, subscriptions }, { protocolVersion: version }));
    }
    return client;
  }

  /** Sends `count` messages with one write, or as many of them as may be on the way; the others follow. */
  publish(count: number): void {
    this.#waiting += count;
    this.#send(Math.min(this.#waiting, IN_FLIGHT_MAX - this.#inFlight));
  }

  #send(count: number): void {
    if (count <= 0) return;
    this.#waiting -= count;
    this.#inFlight += count;
    const bytes = Buffer.allocUnsafe(this.#publish.length * count);
    for (let index = 0; index < count; index++) {
      const start = this.#publish.copy(bytes, index * this.#publish.length) * index;
      this.#packetId = (this.#packetId % PACKET_ID_MAX) + 1;
      bytes.writeUInt16BE(this.#packetId, start + this.#idOffset);
    }
    this.#socket.write(bytes);
  }

  /** With DISCONNECT; settles when the socket is closed. */
  close(): Promise<void> {
    this.#isClosing = true;
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.end(Buffer.from([0xe0, 0]));
    });
  }

  /** Without DISCONNECT. */
  cut(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }

  #exchange(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (): void => reject(new Error('the server closed the connection'));
      this.#socket.once('close', failed);
      this.#heard = () => {
        this.#socket.off('close', failed);
        this.#heard = () => undefined;
        resolve();
      };
      this.#socket.write(bytes);
    });
  }

  #read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let position = 0;
    let acknowledged = 0;
    // Every answer of these servers is shorter than 128 bytes, so its length is one byte.
    while (position + 2 <= all.length && position + 2 + (all[position + 1] as number) <= all.length) {
      const type = (all[position] as number) & 0xf0;
      if (type === PUBACK) acknowledged += 1;
      else this.#heard(type);
      position += 2 + (all[position + 1] as number);
    }
    this.#rest = all.subarray(position);
    if (acknowledged === 0) return;
    this.#inFlight -= acknowledged;
    this.publish(0);
    this.onAcknowledged(acknowledged);
  }
}
