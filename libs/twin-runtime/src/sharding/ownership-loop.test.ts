import type { Epoch, LogId, Offset, Partition } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import type { StoreReach } from '../ports/partition-membership.ts';
import type { Ownership } from '../ports/twin-store.ts';
import { silentObserver } from '../region-observer.ts';
import { DEFAULT_RUNTIME_LIMITS } from '../runtime-limits.ts';
import { systemClock } from '../system-clock.ts';
import { OwnershipLoop } from './ownership-loop.ts';
import type { RegionParts } from './region-parts.ts';
import { ShardTable } from './shard-table.ts';
import { TwinCache } from './twin-cache.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;

describe('OwnershipLoop', () => {
  it('leaves while the group is away: its membership ends by itself', async () => {
    const failures: string[] = [];
    const parts = {
      memberId: 'worker-1',
      membership: {
        claims: { held: new Map(), asked: new Set(), complete: false },
        onChange: () => undefined,
        retire: () => Promise.reject(new Error('no connection')),
        leave: () => Promise.reject(new Error('no connection')),
      },
      observer: { ...silentObserver, failed: (where: string) => failures.push(where) },
    } as unknown as RegionParts;
    const loop = new OwnershipLoop(parts, {} as ShardTable);
    await loop.leave();
    expect(failures).toEqual(['retire', 'leave']);
  });

  it('starts a shard once at a time, though the node of the store that has another is away', async () => {
    const looks = { atP0: 0, startsOfP1: 0 };
    let letP1Start = (): void => undefined;
    const store = {
      takeOwnership: async (partition: Partition): Promise<Ownership> => {
        if (partition === P0) return OWNERSHIP;
        looks.startsOfP1 += 1;
        await new Promise<void>((resolve) => (letP1Start = resolve));
        return OWNERSHIP;
      },
      outbox: () => Promise.resolve([]),
      ledger: () => {
        looks.atP0 += 1;
        return Promise.reject(new Error('the node is away'));
      },
    };
    const parts = partsOf(store, [P0]);
    const table = new ShardTable(parts);
    const loop = new OwnershipLoop(parts, table);
    const end = new AbortController();
    const running = loop.run(end.signal);
    await until(() => table.shardOf(P0) !== null && looks.atP0 > 0);
    (parts.membership.claims.held as Map<Partition, number>).set(P1, Infinity);
    await until(() => looks.startsOfP1 > 0);
    // Time for many more looks, which there must not be while one is under way.
    await systemClock.sleep(50);
    expect(looks.startsOfP1).toBe(1);
    letP1Start();
    await until(() => table.shardOf(P1) !== null);
    end.abort();
    await running;
  });

  it('hands over what is asked for while the store says nothing, and waits for no commit', async () => {
    let isSilent = false;
    const answer = <Value>(value: Value): Promise<Value> =>
      isSilent ? new Promise<Value>(() => undefined) : Promise.resolve(value);
    const store = {
      takeOwnership: () => answer(OWNERSHIP),
      outbox: () => answer([]),
      ledger: () => answer({ positions: OWNERSHIP.positions }),
    };
    const parts = partsOf(store, [P0]);
    const released: Partition[] = [];
    let change = (): void => undefined;
    const membership = {
      ...parts.membership,
      onChange: (listener: () => void) => (change = listener),
      release: async (partition: Partition) => void released.push(partition),
    };
    const limits = { ...parts.limits, drainMaxMs: 3_600_000 };
    const table = new ShardTable({ ...parts, membership, limits });
    const watch = { reach: 'here' as StoreReach };
    const loop = new OwnershipLoop({ ...parts, membership, limits }, table, watch);
    const end = new AbortController();
    void loop.run(end.signal);
    await until(() => table.shardOf(P0) !== null);
    // A commit is on its way, and the look at the store as well: neither will be answered.
    table.shardOf(P0)!.uncommitted = 1;
    isSilent = true;
    await systemClock.sleep(20);
    (membership.claims.asked as Set<Partition>).add(P0);
    change();
    await systemClock.sleep(20);
    expect(released).toEqual([]);
    watch.reach = 'away';
    await until(() => released.includes(P0));
    expect(table.shardOf(P0)).toBeNull();
    end.abort();
  });
});

const OWNERSHIP: Ownership = {
  epoch: '1:worker' as Epoch,
  logId: 'log' as LogId,
  positions: { control: 0 as Offset, telemetry: 0 as Offset },
  attempts: 1,
  tenants: [],
};

function partsOf(store: object, held: readonly Partition[]): RegionParts {
  return {
    memberId: 'worker-1',
    store,
    membership: {
      claims: { held: new Map(held.map((partition) => [partition, Infinity])), asked: new Set(), complete: true },
      onChange: () => undefined,
      renew: () => Promise.resolve(),
      committed: () => undefined,
    },
    log: { logId: () => Promise.resolve('log'), bounds: () => Promise.resolve({ first: 0, end: 0, bytes: 0 }) },
    clock: systemClock,
    random: { id: () => 'random', next: () => 0 },
    limits: { ...DEFAULT_RUNTIME_LIMITS, heartbeatMs: 1, acquireRetryMs: 1, retakeMs: 1 },
    observer: silentObserver,
    cache: new TwinCache(1_024),
  } as unknown as RegionParts;
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error('the condition did not come true');
    await systemClock.sleep(1);
  }
}
