import { GATHER_MS, GATHER_TICK_MS } from '../engine-limits.ts';

/** The one method of a connection that is called from here. */
export interface Spaced {
  readAgain(): void;
}

/**
 * Connections that are left unread for `GATHER_MS` so that more than one message comes with their next reading. All
 * wait equally long, so they come out in the order in which they went in, and one timer serves them all while there
 * are any. What is due is told by the clock of the endpoint, not by the timer.
 */
export class SpacedQueue {
  readonly #now: () => number;
  #waiting: { readonly connection: Spaced; readonly dueMs: number }[] = [];
  #isArmed = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(connection: Spaced): void {
    this.#waiting.push({ connection, dueMs: this.#now() + GATHER_MS });
    if (!this.#isArmed) this.#arm();
  }

  releaseDue(): void {
    const nowMs = this.#now();
    const stillWaits = this.#waiting.findIndex(({ dueMs }) => dueMs > nowMs);
    const due = this.#waiting.splice(0, stillWaits === -1 ? this.#waiting.length : stillWaits);
    for (const { connection } of due) connection.readAgain();
  }

  #arm(): void {
    this.#isArmed = true;
    setTimeout(() => this.#tick(), GATHER_TICK_MS).unref();
  }

  #tick(): void {
    this.#isArmed = false;
    this.releaseDue();
    if (this.#waiting.length > 0) this.#arm();
  }
}
