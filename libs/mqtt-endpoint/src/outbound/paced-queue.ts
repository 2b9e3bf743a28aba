import { RATE_TICK_MS } from '../engine-limits.ts';

/** The one method of `InboundPublishes` that is called from here. */
export interface Paced {
  /** Lets go on what may by now; false when nothing is held any more. */
  releaseHeld(): boolean;
}

/**
 * Connections that hold messages over their publish rate. One timer serves them all, only while there are any, and it
 * holds no connection longer than one tick after its end. What is due is told by the clock of the
 * endpoint, not by the timer.
 */
export class PacedQueue {
  readonly #holding = new Set<Paced>();
  #isArmed = false;

  add(paced: Paced): void {
    this.#holding.add(paced);
    if (!this.#isArmed) this.#arm();
  }

  #arm(): void {
    this.#isArmed = true;
    setTimeout(() => this.#tick(), RATE_TICK_MS).unref();
  }

  #tick(): void {
    this.#isArmed = false;
    for (const paced of this.#holding) if (!paced.releaseHeld()) this.#holding.delete(paced);
    if (this.#holding.size > 0) this.#arm();
  }
}
