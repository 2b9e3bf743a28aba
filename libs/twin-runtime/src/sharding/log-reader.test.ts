import type { Offset, Partition } from '@breakwater/twin';
import { beforeEach, describe, expect, it } from '@jest/globals';

import { PlatformError } from '../platform-error.ts';
import { DEFAULT_RUNTIME_LIMITS } from '../runtime-limits.ts';
import { LogReader } from './log-reader.ts';
import { Mailbox } from './mailbox.ts';
import type { RegionParts } from './region-parts.ts';
import type { Shard } from './shard.ts';
import type { ShardTable } from './shard-table.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const FROM = 7 as Offset;

describe('LogReader', () => {
  let error: Error;
  let bounds: { first: number; end: number };
  let ended: string[];
  let shards: Shard[];
  let reader: LogReader;

  beforeEach(() => {
    bounds = { first: 0, end: 20 };
    ended = [];
    shards = [P0, P1].map(shardOf);
    const log = { read: () => Promise.reject(error), bounds: () => Promise.resolve(bounds) };
    const table = {
      shardOf: (partition: Partition) => shards.find((shard) => shard.partition === partition) ?? null,
      end: (shard: Shard, how: string) => ended.push(`${shard.partition} ${how}`),
      stopLoudly: (partition: Partition) => ended.push(`${partition} stopped`),
    };
    const parts = { log, limits: DEFAULT_RUNTIME_LIMITS } as unknown as RegionParts;
    reader = new LogReader(parts, table as unknown as ShardTable);
  });

  it('stops the partition that holds a batch which nobody can read, and no other', async () => {
    error = failure('LOG_BATCH_UNREADABLE', { lane: 'telemetry', partition: P1, from: FROM });
    await reader.fill(shards);
    expect(ended).toEqual(['1 stopped']);
  });

  it('ends the shard before which the log has a hole: its successor says so again', async () => {
    error = failure('POSITION_OUT_OF_RANGE', { lane: 'control', partition: P0, from: FROM });
    await reader.fill(shards);
    expect(ended).toEqual(['0 positionLost']);
  });

  it('ends every shard whose position the log does not have', async () => {
    bounds = { first: 8, end: 20 };
    error = failure('POSITION_OUT_OF_RANGE', { lane: 'control', partition: P0, from: FROM });
    await reader.fill(shards);
    expect(new Set(ended)).toEqual(new Set(['0 positionLost', '1 positionLost']));
  });

  it('throws what names no partition, or one where nobody reads on at that place', async () => {
    for (const details of [
      {},
      { lane: 'telemetry', partition: P1, from: FROM + 1 },
      { lane: 'control', partition: 9 },
    ]) {
      error = failure('LOG_BATCH_UNREADABLE', details);
      await expect(reader.fill(shards)).rejects.toBe(error);
    }
    error = failure('BACKEND_UNAVAILABLE', { lane: 'telemetry', partition: P1, from: FROM });
    await expect(reader.fill(shards)).rejects.toBe(error);
    expect(ended).toEqual([]);
  });
});

function shardOf(partition: Partition): Shard {
  const decode = () => null as never;
  const mailboxes = {
    control: new Mailbox('control', FROM, decode),
    telemetry: new Mailbox('telemetry', FROM, decode),
  };
  return { partition, mailboxes, isAlive: true, hasMail: false } as unknown as Shard;
}

function failure(code: string, details: Readonly<Record<string, unknown>>): PlatformError {
  return new PlatformError(code, code, { details });
}
