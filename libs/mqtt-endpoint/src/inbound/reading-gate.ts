import type { Transport } from '../endpoint-host.ts';

/** Why a connection is not read at the moment. Several reasons may hold at once. */
export const StopReason = {
  handshake: 1,
  inbound: 2,
  output: 4,
  draining: 8,
  turn: 16,
  gathering: 32,
  spacing: 64,
} as const;
export type StopReason = (typeof StopReason)[keyof typeof StopReason];

/** Reading stops with the first reason and goes on when the last one is gone. */
export class ReadingGate {
  readonly #transport: Transport;
  readonly #onOpen: () => void;
  #reasons = 0;

  constructor(transport: Transport, onOpen: () => void) {
    this.#transport = transport;
    this.#onOpen = onOpen;
  }

  get isOpen(): boolean {
    return this.#reasons === 0;
  }

  holds(reason: StopReason): boolean {
    return (this.#reasons & reason) !== 0;
  }

  stop(reason: StopReason): void {
    if (this.#reasons === 0) this.#transport.pause();
    this.#reasons |= reason;
  }

  release(reason: StopReason): void {
    if ((this.#reasons & reason) === 0) return;
    this.#reasons &= ~reason;
    if (this.#reasons !== 0) return;
    this.#transport.resume();
    this.#onOpen();
  }
}
