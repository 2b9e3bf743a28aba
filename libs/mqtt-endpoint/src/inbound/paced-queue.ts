import { RATE_TICK_MS } from '../engine-limits.ts';

/** The one method of `InboundPublishes` that is called from here. */
export interface Paced {
  /** Lets the next message go on if it may by now. `waits`: it may not; `empty`: nothing is held any more. */
  releaseNext(): 'released' | 'waits' | 'empty';
}

/**
 * Connections that hold messages over a publish rate. One timer serves them all, only while there are any, and it
 * holds no connection longer than one tick after its end. What is due is told by the clock of the endpoint, not by the
 * timer.
 *
 * Each in turn lets one message go on and then stands behind all others, so those who share a rate get equal parts.
 */
export class PacedQueue {
  readonly #holding = new Set<Paced>();
  #isArmed = false;

  add(paced: Paced): void {
    this.#holding.add(paced);
    if (!this.#isArmed) this.#arm();
  }

  /** Lets go on whatever may by now. */
  releaseDue(): void {
    for (const paced of this.#holding) {
      const outcome = paced.releaseNext();
      if (outcome === 'waits') continue;
      this.#holding.delete(paced);
      // A set is walked in the order of insertion: it comes again when everybody else had his turn.
      if (outcome === 'released') this.#holding.add(paced);
    }
  }

  #arm(): void {
    this.#isArmed = true;
    setTimeout(() => this.#tick(), RATE_TICK_MS).unref();
  }

  #tick(): void {
    this.#isArmed = false;
    this.releaseDue();
    if (this.#holding.size > 0) this.#arm();
  }
}
