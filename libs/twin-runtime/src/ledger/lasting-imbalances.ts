import type { Imbalance } from './ledger-balance.ts';

export interface LastingImbalance extends Imbalance {
  /** When it was seen first. */
  readonly sinceMs: number;
}

interface Seen {
  readonly imbalance: Imbalance;
  readonly sinceMs: number;
  readonly checks: number;
}

/**
 * What was found in several checks after one another. The readings are taken in an order that makes a single finding
 * true already; that it lasts guards against a reading that no order can make whole, such as a failover of a store.
 */
export class LastingImbalances {
  readonly #checksMin: number;
  #seen: ReadonlyMap<string, Seen> = new Map();

  constructor(checksMin: number) {
    this.#checksMin = checksMin;
  }

  /** The findings of one whole check: what is not among them is over. */
  note(found: readonly Imbalance[], nowMs: number): void {
    const seen = new Map<string, Seen>();
    for (const imbalance of found) {
      const name = nameOf(imbalance);
      const before = this.#seen.get(name);
      seen.set(name, { imbalance, sinceMs: before?.sinceMs ?? nowMs, checks: (before?.checks ?? 0) + 1 });
    }
    this.#seen = seen;
  }

  get lasting(): readonly LastingImbalance[] {
    return [...this.#seen.values()]
      .filter(({ checks }) => checks >= this.#checksMin)
      .map(({ imbalance, sinceMs }) => ({ ...imbalance, sinceMs }));
  }
}

function nameOf({ kind, consumer, lane, partition, tenant }: Imbalance): string {
  return [kind, consumer, lane, partition, tenant].join(' ');
}
