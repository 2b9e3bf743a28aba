import type { Clock } from '@breakwater/twin-runtime';

interface Waiting {
  /** What it waits for; null is anything. */
  readonly places: ReadonlySet<string> | null;
  readonly arrival: AbortController;
}

/** Lets readers wait, for a bounded time, until something has arrived where they look. */
export class ArrivalSignal {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async wait(waitMs: number, places: ReadonlySet<string> | null = null): Promise<void> {
    const waiting = { places, arrival: new AbortController() };
    this.#waiting.add(waiting);
    await this.#clock.sleep(waitMs, waiting.arrival.signal);
    this.#waiting.delete(waiting);
  }

  /** @param places where something has arrived; left out, whoever waits is woken. */
  arrived(places: readonly string[] | null = null): void {
    for (const waiting of this.#waiting) {
      const isConcerned = places === null || waiting.places === null || places.some((at) => waiting.places?.has(at));
      if (!isConcerned) continue;
      this.#waiting.delete(waiting);
      waiting.arrival.abort();
    }
  }
}
