import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Partition } from '@breakwater/twin';

import { connectRedis, type RedisClient } from '../src/index.ts';
import {
  connectServer,
  redisServerAvailable,
  startRedisWithSentinel,
  type PrimaryForTest,
} from '../src/testing/index.ts';
import { found, reconnected } from './come-about.ts';
import { oneStep, storeOn } from './shard-under-load.ts';

const TIMEOUT_MS = 120_000;
const P0 = 0 as Partition;

(redisServerAvailable() ? describe : describe.skip)('a primary and a replica with a sentinel', () => {
  let servers: PrimaryForTest;
  let redis: RedisClient;
  beforeAll(async () => {
    servers = await startRedisWithSentinel();
    redis = await connectRedis(servers.url);
  }, TIMEOUT_MS);
  afterAll(async () => {
    redis?.disconnect();
    await servers?.stop();
  }, TIMEOUT_MS);

  it(
    'is found by the sentinel, and its replica is when it was killed: under another epoch, and the old one is refused',
    async () => {
      const store = storeOn(redis);
      const before = await store.takeOwnership(P0, 'worker');
      expect(await store.commit([oneStep(P0, before.epoch, 0)])).toEqual([{ kind: 'committed' }]);
      const replica = await connectServer(servers.replica.url);
      await found(async () => (await replica.hget('bw:{0}:shard', 'telemetry')) === '1');
      replica.disconnect();
      await servers.primary.kill();
      await expect(store.commit([oneStep(P0, before.epoch, 1)])).rejects.toThrow();
      const after = await reconnected(() => store.takeOwnership(P0, 'worker'));
      expect(after.positions.telemetry).toBe(1);
      expect(after.epoch).not.toBe(before.epoch);
      expect(await store.commit([oneStep(P0, before.epoch, 1)])).toEqual([{ kind: 'refused', code: 'STALE_EPOCH' }]);
      expect(await store.commit([oneStep(P0, after.epoch, 1)])).toEqual([{ kind: 'committed' }]);
    },
    TIMEOUT_MS,
  );
});
