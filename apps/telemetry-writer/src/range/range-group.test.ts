import { MemoryPartitionLeases } from '@breakwater/adapter-memory';
import { createLogger } from '@breakwater/observability';
import { LeasedMembership, type PartitionLeases } from '@breakwater/twin-runtime';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { beforeEach, describe, expect, it } from '@jest/globals';

import { RangeGroup } from './range-group.ts';

const TTL_MS = 3_000;
const RANGES = 4;

describe('the ranges of a writer', () => {
  let clock: VirtualClock;
  let leases: MemoryPartitionLeases;
  let division: { holder: string; untilMs: number };
  let told: string[];
  let away: Set<string>;

  beforeEach(() => {
    clock = new VirtualClock(1_000);
    leases = new MemoryPartitionLeases(clock);
    division = { holder: '', untilMs: 0 };
    told = [];
    away = new Set();
  });

  function reach(name: string): void {
    if (away.has(name)) throw new Error('no connection');
  }

  function cuttable(name: string): PartitionLeases {
    const cut = async <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
      reach(name);
      return call();
    };
    return {
      heartbeat: (member, ttlMs) => cut(() => leases.heartbeat(member, ttlMs)),
      acquire: (ranges, member, ttlMs) => cut(() => leases.acquire(ranges, member, ttlMs)),
      release: (range, member) => cut(() => leases.release(range, member)),
      held: (ranges) => cut(() => leases.held(ranges)),
      leave: (member) => cut(() => leases.leave(member)),
    };
  }

  function start(name: string, ranges = RANGES) {
    const divisionLease = {
      acquire: async (holder: string, ttlMs: number) => {
        reach(name);
        if (division.holder !== holder && division.untilMs > clock.nowMs()) return false;
        division = { holder, untilMs: clock.nowMs() + ttlMs };
        return true;
      },
      release: async () => undefined,
    };
    const membership = new LeasedMembership({
      ...{ leases: cuttable(name), memberId: name, partitionCount: ranges, leaseTtlMs: TTL_MS, clock },
    });
    const works = new Set<number>();
    const group = new RangeGroup(
      {
        ...{ membership, division: divisionLease, ranges, leaseTtlMs: TTL_MS, clock },
        logger: createLogger('test', 'silent'),
      },
      {
        begin: (range) => void works.add(range),
        end: async (range) => void works.delete(range),
        lost: (range) => {
          works.delete(range);
          told.push(`${name} lost ${range}`);
        },
      },
    );
    group.start();
    return { group, works };
  }

  it('are all its own while it is alone, and a fair share beside others; and come back when those leave', async () => {
    const first = start('a');
    await clock.advance(TTL_MS);
    expect([...first.works].toSorted()).toEqual([0, 1, 2, 3]);
    const second = start('b');
    await clock.advance(2 * TTL_MS);
    expect([first.works.size, second.works.size]).toEqual([2, 2]);
    expect([...first.works, ...second.works].toSorted()).toEqual([0, 1, 2, 3]);
    const left = second.group.stop();
    await clock.advance(2 * TTL_MS);
    await left;
    expect([first.works.size, second.works.size]).toEqual([4, 0]);
    expect(told).toEqual([]);
  });

  it('go to the others when it is not heard of, and it is told when it comes back', async () => {
    const first = start('a');
    const second = start('b');
    await clock.advance(2 * TTL_MS);
    away.add('a');
    await clock.advance(3 * TTL_MS);
    // It goes on: the epochs in ClickHouse refuse it where somebody else is.
    expect([first.works.size, second.works.size]).toEqual([2, 4]);
    away.delete('a');
    await clock.advance(TTL_MS);
    expect(told).toHaveLength(2);
    expect(told.every((line) => line.startsWith('a lost'))).toBe(true);
  });

  it('wait while writers of another division are there', async () => {
    const first = start('a');
    await clock.advance(TTL_MS);
    const other = start('b', 2);
    await clock.advance(3 * TTL_MS);
    expect([first.works.size, other.works.size]).toEqual([4, 0]);
    const left = first.group.stop();
    await clock.advance(3 * TTL_MS);
    await left;
    expect(other.works.size).toBe(2);
  });
});
