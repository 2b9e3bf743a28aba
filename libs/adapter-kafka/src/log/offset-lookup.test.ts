import type { Partition } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';
import { ListOffsetTimestamps } from '@platformatic/kafka';

import type { LogTopology } from './log-topology.ts';
import { OffsetLookup } from './offset-lookup.ts';

interface Request {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly partitionIndex: number; readonly timestamp: bigint }[];
  }[];
}

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const LEADERLESS = 7 as Partition;

function lookup() {
  const requests: Request[] = [];
  const listOffsets = async (request: Request) => {
    requests.push(request);
    return request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }) => {
        if (partitionIndex === LEADERLESS) throw new Error('it has no leader');
        const isEnd = timestamp === ListOffsetTimestamps.LATEST;
        return { partitionIndex, offset: BigInt((isEnd ? 100 : 10) + partitionIndex) };
      }),
    }));
  };
  const topology = { admin: { listOffsets }, topicOf: (role: string) => `t.${role}` } as unknown as LogTopology;
  return { requests, offsets: new OffsetLookup(topology) };
}

describe('OffsetLookup', () => {
  it('asks in two requests for what many ask for at the same moment', async () => {
    const { requests, offsets } = lookup();
    const asked = (['control', 'telemetry'] as const).flatMap((lane) =>
      [P0, P1, P0].map((partition) => offsets.bounds(lane, partition)),
    );
    const one = { first: 10, end: 100 };
    const other = { first: 11, end: 101 };
    expect(await Promise.all(asked)).toEqual([one, other, one, one, other, one]);
    expect(requests).toHaveLength(2);
    for (const { topics } of requests) expect(topics.map(({ partitions }) => partitions.length)).toEqual([2, 2]);
  });

  it('answers the others though one partition has no leader', async () => {
    const { offsets } = lookup();
    const [there, leaderless] = await Promise.allSettled([
      offsets.bounds('control', P1),
      offsets.bounds('control', LEADERLESS),
    ]);
    expect(there).toEqual({ status: 'fulfilled', value: { first: 11, end: 101 } });
    expect(leaderless).toMatchObject({ status: 'rejected', reason: { code: 'BACKEND_UNAVAILABLE' } });
  });

  it('asks anew for what is asked for later', async () => {
    const { requests, offsets } = lookup();
    expect(await offsets.end('changes', P0)).toBe(100);
    expect(await offsets.end('changes', P0)).toBe(100);
    expect(requests).toHaveLength(2);
  });
});
