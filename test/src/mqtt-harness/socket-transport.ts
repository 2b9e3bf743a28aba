import type { Socket } from 'node:net';

import type { Transport } from '@breakwater/mqtt-endpoint';

const CLOSE_GRACE_MS = 200;

/** The engine's transport over a TCP socket of a test. */
export class SocketTransport implements Transport {
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #toSay: (bytes: Uint8Array) => Uint8Array;

  /** `toSay` may put other bytes in the place of those that the engine writes. */
  constructor(socket: Socket, toSay: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) {
    this.#socket = socket;
    this.#toSay = toSay;
    this.remoteAddress = socket.remoteAddress ?? '';
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(this.#toSay(bytes));
  }

  bytesQueued(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), CLOSE_GRACE_MS).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
