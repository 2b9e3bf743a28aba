import type { Partition } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import type { StoreReach } from '../ports/partition-membership.ts';
import { silentObserver } from '../region-observer.ts';
import { DEFAULT_RUNTIME_LIMITS } from '../runtime-limits.ts';
import { VirtualClock } from '../virtual-time/virtual-clock.ts';
import type { RegionParts } from './region-parts.ts';
import { StoreWatch } from './store-watch.ts';

const { storeLookMs, storeDoubtfulLooks, storeAwayLooks } = DEFAULT_RUNTIME_LIMITS;
const HELD = [3, 4] as Partition[];

/** A store that answers as it is told to, and a member that is told what became of it. */
function watched() {
  const clock = new VirtualClock();
  const waiting: (() => void)[] = [];
  const seen = { told: [] as StoreReach[], asked: [] as Partition[], failures: 0 };
  const store = { answers: 'atOnce' as 'atOnce' | 'never' | 'failing' };
  const ledger = async (partition: Partition): Promise<unknown> => {
    seen.asked.push(partition);
    if (store.answers === 'failing') throw new Error('no connection');
    if (store.answers === 'never') await new Promise<void>((resolve) => waiting.push(resolve));
    return {};
  };
  const watch = new StoreWatch({
    clock,
    limits: DEFAULT_RUNTIME_LIMITS,
    observer: { ...silentObserver, failed: () => (seen.failures += 1) },
    store: { ledger },
    membership: {
      claims: { held: new Map(HELD.map((partition) => [partition, Infinity])), asked: new Set(), complete: true },
      noteStoreReach: (reach: StoreReach) => seen.told.push(reach),
    },
  } as unknown as RegionParts);
  const end = new AbortController();
  void watch.run(end.signal);
  const looks = (count: number): Promise<void> => clock.advance(count * storeLookMs);
  return { watch, clock, store, seen, looks, end, answerAll: () => waiting.splice(0).forEach((answer) => answer()) };
}

describe('StoreWatch', () => {
  it('asks the held partitions by turns, and has nothing to tell while they answer', async () => {
    const { watch, seen, looks, end } = watched();
    await looks(50);
    expect(watch.reach).toBe('here');
    expect(seen.told).toEqual([]);
    expect(new Set(seen.asked)).toEqual(new Set(HELD));
    end.abort();
  });

  it.each(['never', 'failing'] as const)('doubts, then gives the store up, when it answers: %s', async (answers) => {
    const { watch, store, seen, looks, end, answerAll } = watched();
    await looks(2);
    store.answers = answers;
    await looks(storeDoubtfulLooks - 1);
    expect(seen.told).toEqual([]);
    await looks(1);
    expect(seen.told).toEqual(['doubtful']);
    await looks(storeAwayLooks);
    expect(seen).toMatchObject({ told: ['doubtful', 'away'], failures: 1 });
    expect(watch.reach).toBe('away');
    store.answers = 'atOnce';
    answerAll();
    await looks(1);
    expect(watch.reach).toBe('here');
    expect(seen.told).toEqual(['doubtful', 'away', 'here']);
    end.abort();
  });

  it('asks a partition once at a time, however long the store says nothing', async () => {
    const { store, seen, looks, end } = watched();
    store.answers = 'never';
    await looks(100);
    expect(seen.asked.length).toBeLessThanOrEqual(2 * HELD.length);
    end.abort();
  });

  it('does not take a pause of its own process for a silence of the store', async () => {
    const { watch, clock, seen, end } = watched();
    let stopped = true;
    // Its clock went on, and it looked once.
    const sleep = clock.sleep.bind(clock);
    clock.sleep = (durationMs, signal) => {
      const longer = stopped ? 60_000 : durationMs;
      stopped = false;
      return sleep(longer, signal);
    };
    await clock.advance(storeLookMs);
    await clock.advance(61_000);
    expect(watch.reach).toBe('here');
    expect(seen.told).toEqual([]);
    end.abort();
  });
});
