import { createConnection, type Socket } from 'node:net';

import { generate, type Packet, parser as createParser } from 'mqtt-packet';

const ANSWER_TIMEOUT_MS = 30_000;
const LOOPBACK = '127.0.0.1';

/** One connection of a client that says only what it is told to, and keeps what it hears. */
export class WireClient {
  readonly #socket: Socket;
  readonly #version: 3 | 4 | 5;
  readonly #onPacket: (packet: Packet) => void;
  readonly #waiting: { readonly what: string; readonly holds: () => boolean; readonly done: () => void }[] = [];
  #pings = 0;
  #isClosed = false;

  constructor(options: { port: number; version: 3 | 4 | 5; onPacket: (packet: Packet) => void }) {
    this.#version = options.version;
    this.#onPacket = options.onPacket;
    this.#socket = createConnection({ host: LOOPBACK, port: options.port, noDelay: true });
    const parser = createParser({ protocolVersion: options.version });
    parser.on('packet', (packet: Packet) => this.#heard(packet));
    parser.on('error', (error: Error) => this.#socket.destroy(error));
    this.#socket.on('data', (bytes: Buffer) => {
      parser.parse(bytes);
      this.#look();
    });
    // A reset is a close like any other.
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => {
      this.#isClosed = true;
      this.#look();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...packets: readonly Packet[]): void {
    this.sendBytes(Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion: this.#version }))));
  }

  sendBytes(bytes: Buffer): void {
    if (!this.#isClosed) this.#socket.write(bytes);
  }

  /** All that was sent is read and answered, as far as the answer takes one turn of the server. */
  async ping(): Promise<void> {
    const before = this.#pings;
    this.send({ cmd: 'pingreq' });
    await this.until('PINGRESP', () => this.#pings > before);
  }

  /** Closes our side and waits for the server's. */
  async hangUp(): Promise<void> {
    this.#socket.end();
    await this.closed();
  }

  closed(): Promise<void> {
    return this.until('the close', () => false);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Until `holds` or the connection is closed. */
  until(what: string, holds: () => boolean): Promise<void> {
    if (this.#isClosed || holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`never came: ${what}`)), ANSWER_TIMEOUT_MS);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#waiting.push({ what, holds, done });
    });
  }

  #heard(packet: Packet): void {
    if (packet.cmd === 'pingresp') this.#pings += 1;
    else this.#onPacket(packet);
  }

  #look(): void {
    for (const wait of this.#waiting.splice(0)) {
      if (this.#isClosed || wait.holds()) wait.done();
      else this.#waiting.push(wait);
    }
  }
}
