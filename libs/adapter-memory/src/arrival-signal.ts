import type { Clock } from '@breakwater/twin-runtime';

/** Lets readers wait, for a bounded time, until something has arrived. */
export class ArrivalSignal {
  readonly #clock: Clock;
  readonly #waiting = new Set<AbortController>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async wait(waitMs: number): Promise<void> {
    const arrival = new AbortController();
    this.#waiting.add(arrival);
    await this.#clock.sleep(waitMs, arrival.signal);
    this.#waiting.delete(arrival);
  }

  arrived(): void {
    for (const arrival of this.#waiting) arrival.abort();
    this.#waiting.clear();
  }
}
