import { type Consumer, CONSUMERS, type Lane, type LedgerReading } from '@breakwater/twin-runtime';

interface Place {
  readonly consumer: Consumer;
  readonly lane: Lane;
  readonly position: number;
  /** Since when it stands there with something to take. */
  readonly sinceMs: number;
}

/** The longest that a partition of a lane has stood still for a consumer, with records before it. */
export interface Stalled {
  readonly consumer: Consumer;
  readonly lane: Lane;
  readonly ms: number;
}

/**
 * How long consumers stand still. Delays are measured on what arrives, so one that takes nothing at all shows in none
 * of them. A consumer that cannot be asked stands where it was when it last could.
 */
export class StalledConsumers {
  readonly #places = new Map<string, Place>();

  /** One reading of the ledger; answers each consumer of each lane that was ever seen. */
  note({ lanes }: Pick<LedgerReading, 'lanes'>, nowMs: number): readonly Stalled[] {
    for (const { lane, partition, bounds, consumers } of lanes) {
      for (const consumer of CONSUMERS) {
        const key = `${consumer}/${lane}/${partition}`;
        const before = this.#places.get(key);
        const position = consumers.find((each) => each.consumer === consumer)?.position ?? before?.position;
        if (position === undefined) continue;
        const stands = before?.position === position && position < bounds.end;
        this.#places.set(key, { consumer, lane, position, sinceMs: stands ? before.sinceMs : nowMs });
      }
    }
    const longest = new Map<string, Stalled>();
    for (const { consumer, lane, sinceMs } of this.#places.values()) {
      const name = `${consumer}/${lane}`;
      const ms = Math.max(longest.get(name)?.ms ?? 0, nowMs - sinceMs);
      longest.set(name, { consumer, lane, ms });
    }
    return [...longest.values()];
  }
}
