import type { DeviceKey, Offset, Partition } from '@breakwater/twin';
import type { LanePositions, Ownership, ShardCommit } from '@breakwater/twin-runtime';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { logOriginsOf, RedisEventLog, RedisTwinStore, renewRestoredLog, type RedisClient } from '../src/index.ts';
import { redisKeys } from '../src/redis-keys.ts';
import { RedisUnderTest } from './redis-under-test.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const PARTITIONS = 2;

describe('a log that was restored', () => {
  const server = new RedisUnderTest();
  let redis: RedisClient;

  beforeAll(() => server.start());
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  const commit = (owned: Ownership, logId: ShardCommit['logId'], from: number): ShardCommit => ({
    ...{ partition: P0, epoch: owned.epoch, logId, outbox: [], timers: [] },
    expected: { control: 0, telemetry: from } as unknown as LanePositions,
    next: { control: 0, telemetry: from + 1 } as unknown as LanePositions,
    twins: [{ key: 'acme/d' as DeviceKey, expectedRevision: from, state: `after ${from}` }],
    counts: { control: {}, telemetry: { applied: 1 } },
    tenants: { control: {}, telemetry: { acme: { applied: 1 } } },
  });

  it('is another one, and its twins go on where they stood', async () => {
    redis = await server.emptyConnection();
    expect(await renewRestoredLog(redis, PARTITIONS)).toBeNull();
    const budgets = { laneBytesMax: { control: 1e6, telemetry: 1e6 }, frameBytesMax: 1e6 };
    const log = new RedisEventLog({ redis, ...budgets });
    const twins = new RedisTwinStore({ redis, commitTwinsMax: 10, commitBytesMax: 1e6 });
    const before = await log.logId();
    const body = ['a', 'b', 'c'].join('\n');
    await log.append([{ lane: 'telemetry', partition: P0, producerId: 'p', seq: 1, body, recordCount: 3 }]);
    const owned = await twins.takeOwnership(P0, 'worker');
    await twins.commit([commit(owned, before, 0)]);

    const renewed = await renewRestoredLog(redis, PARTITIONS);
    expect(renewed).toEqual({ before, logId: await log.logId(), leftBehind: [] });
    expect(renewed?.logId).not.toBe(before);
    expect(await logOriginsOf(redis)).toEqual([{ logId: before, ends: [3, 0] }]);
    const next = await twins.takeOwnership(P0, 'worker');
    expect(next).toMatchObject({ logId: renewed?.logId, positions: { telemetry: 1 } });
    expect(await twins.commit([commit(next, before, 1)])).toEqual([{ kind: 'refused', code: 'LOG_CHANGED' }]);
    expect(await twins.commit([commit(next, renewed!.logId, 1)])).toEqual([{ kind: 'committed' }]);

    // Cut off after its first steps, it is done again: a shard of any life before is moved over.
    await redis.hset(redisKeys.shard(P0), 'logId', before);
    const again = await renewRestoredLog(redis, PARTITIONS);
    expect((await twins.takeOwnership(P0, 'worker')).logId).toBe(again?.logId);
    expect((await logOriginsOf(redis)).map(({ logId }) => logId)).toEqual([before, renewed?.logId]);
  });

  it('leaves twins behind that stand where the log has nothing', async () => {
    await redis.hset(redisKeys.shard(P1), { control: '0', telemetry: '9', logId: 'their-log' });
    const renewed = await renewRestoredLog(redis, PARTITIONS);
    expect(renewed?.leftBehind).toEqual([
      { partition: P1, lane: 'telemetry', position: 9 as Offset, first: 0, end: 0 },
    ]);
    expect(await redis.hget(redisKeys.shard(P1), 'logId')).toBe('their-log');
  });
});
