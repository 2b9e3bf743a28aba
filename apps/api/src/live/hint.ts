import type { Clock } from '@breakwater/twin-runtime';

/** That something may have changed. A hint that comes while nobody waits is kept for the next wait. */
export class Hint {
  #isGiven = false;
  #wake: (() => void) | null = null;

  give(): void {
    this.#isGiven = true;
    this.#wake?.();
  }

  /** Settles when a hint was given since the last wait, when the time is over, or when the signal aborts. */
  async wait(clock: Clock, timeoutMs: number, stop?: AbortSignal): Promise<void> {
    if (!this.#isGiven) {
      const timeout = new AbortController();
      const hint = new Promise<void>((resolve) => (this.#wake = resolve));
      const signal = stop === undefined ? timeout.signal : AbortSignal.any([timeout.signal, stop]);
      await Promise.race([hint, clock.sleep(timeoutMs, signal).catch(() => undefined)]);
      timeout.abort();
      this.#wake = null;
    }
    this.#isGiven = false;
  }
}
