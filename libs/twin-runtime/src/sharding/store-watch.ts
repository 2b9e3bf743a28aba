import type { Partition } from '@breakwater/twin';

import { PlatformError } from '../platform-error.ts';
import type { StoreReach } from '../ports/partition-membership.ts';
import type { RegionParts } from './region-parts.ts';

/**
 * Whether this member reaches the store of the twins. It asks now and then for something small, and counts how often in
 * a row it looked and found no answer: not how long it waited, because a process that was stopped has missed nothing.
 * Only an answer counts; whether the way is cut or the store refuses makes no difference to the twins.
 */
export class StoreWatch {
  readonly #parts: Pick<RegionParts, 'store' | 'membership' | 'clock' | 'limits' | 'observer'>;
  /** Looks in a row that found no answer since the look before. */
  #unanswered = 0;
  /** A store that says nothing holds each question for long: one at a time of each partition. */
  readonly #asking = new Set<Partition>();
  /** Those that are, or lately were, this member's: in a cluster each may be on another node. */
  #partitions: readonly Partition[] = [0 as Partition];
  #next = 0;
  #told: StoreReach = 'here';

  constructor(parts: Pick<RegionParts, 'store' | 'membership' | 'clock' | 'limits' | 'observer'>) {
    this.#parts = parts;
  }

  get reach(): StoreReach {
    const { storeDoubtfulLooks, storeAwayLooks } = this.#parts.limits;
    if (this.#unanswered >= storeAwayLooks) return 'away';
    return this.#unanswered >= storeDoubtfulLooks ? 'doubtful' : 'here';
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.#parts;
    while (!signal.aborted) {
      void this.#ask();
      await clock.sleep(limits.storeLookMs, signal);
      if (signal.aborted) return;
      this.#unanswered += 1;
      this.#tell();
    }
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const { store, membership } = this.#parts;
    const held = [...membership.claims.held.keys()];
    if (held.length > 0) this.#partitions = held;
    this.#next = (this.#next + 1) % this.#partitions.length;
    const partition = this.#partitions[this.#next]!;
    if (this.#asking.has(partition)) return;
    this.#asking.add(partition);
    try {
      await store.ledger(partition);
      this.#unanswered = 0;
      this.#tell();
    } catch {
      // The looks count it.
    } finally {
      this.#asking.delete(partition);
    }
  }

  #tell(): void {
    const { membership, observer, limits } = this.#parts;
    const { reach } = this;
    if (reach === this.#told) return;
    this.#told = reach;
    if (reach === 'away') {
      const seconds = (limits.storeAwayLooks * limits.storeLookMs) / 1_000;
      const message = `the twin store has not answered for ${seconds} s: who reaches it may have these shards`;
      observer.failed('store', new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true }));
    }
    membership.noteStoreReach?.(reach);
  }
}
