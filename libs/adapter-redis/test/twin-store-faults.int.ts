import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceKey, Epoch, LogId, Offset, Partition } from '@breakwater/twin';
import type { ShardCommit } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { RedisEventLog, RedisTwinStore } from '../src/index.ts';
import {
  connectServer,
  CuttingProxy,
  redisServerAvailable,
  startRedisServer,
  type RedisServerForTest,
} from '../src/testing/index.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const KEY = 'default/d1' as DeviceKey;
const LOG_ID = 'log-1' as LogId;
const MEBIBYTE = 1024 * 1024;
const TIMEOUT_MS = 60_000;
const CUTS = 30;
const COMMITS_BEFORE_KILL = 30;

(redisServerAvailable() ? describe : describe.skip)('twin store on redis-server, when things fail', () => {
  let server: RedisServerForTest;
  const open: Redis[] = [];
  beforeEach(async () => {
    server = await startRedisServer();
  }, TIMEOUT_MS);
  afterEach(async () => {
    for (const redis of open.splice(0)) redis.disconnect();
    await server.stop();
  }, TIMEOUT_MS);

  const storeAt = async (url: string): Promise<{ store: RedisTwinStore; redis: Redis }> => {
    const redis = await connectServer(url);
    open.push(redis);
    return { store: new RedisTwinStore({ redis, commitTwinsMax: 2_000, commitBytesMax: 4 * MEBIBYTE }), redis };
  };

  it(
    'applies a commit once when its reply is lost: the repeat is refused, and the positions say that it was applied',
    async () => {
      const proxy = await CuttingProxy.start(`${server.socketPath}.proxy`, server.socketPath);
      const { store: cut } = await storeAt(proxy.url);
      const { store } = await storeAt(server.url);
      const { epoch } = await store.takeOwnership(P0, 'worker');
      for (let at = 0; at < CUTS; at++) {
        await reconnected(() => cut.read(P0, KEY));
        proxy.cutNextReply();
        const commit = step(epoch, at);
        await expect(cut.commit([commit])).rejects.toThrow();
        const again = await reconnected(() => cut.commit([commit]));
        expect(again).toEqual([{ kind: 'refused', code: 'POSITION_MISMATCH' }]);
        expect((await store.ledger(P0)).positions.telemetry).toBe(at + 1);
        expect(await store.read(P0, KEY)).toEqual({ key: KEY, revision: at + 1, state: `state ${at + 1}` });
      }
      expect((await store.ledger(P0)).counts.telemetry).toEqual({ applied: CUTS });
      await proxy.stop();
    },
    TIMEOUT_MS,
  );

  it(
    'has every acknowledged commit after redis-server is killed, and gives no epoch twice',
    async () => {
      const { store } = await storeAt(server.url);
      const epochs = new Set<Epoch>();
      const counters: number[] = [];
      let applied = 0;
      for (let round = 0; round < 3; round++) {
        const owned = await reconnected(() => store.takeOwnership(P0, 'worker'));
        epochs.add(owned.epoch);
        counters.push(Number.parseInt(owned.epoch, 10));
        expect(owned.positions.telemetry).toBe(applied);
        for (let count = 0; count < COMMITS_BEFORE_KILL; count++) {
          expect(await store.commit([step(owned.epoch, applied)])).toEqual([{ kind: 'committed' }]);
          applied += 1;
        }
        await server.restart();
      }
      expect(epochs.size).toBe(3);
      expect(counters).toEqual([...new Set(counters)].sort((one, other) => one - other));
      const { store: fresh } = await storeAt(server.url);
      expect(await fresh.read(P0, KEY)).toEqual({ key: KEY, revision: applied, state: `state ${applied}` });
      const old = [...epochs][0]!;
      await fresh.takeOwnership(P0, 'other');
      expect(await fresh.commit([step(old, applied)])).toEqual([{ kind: 'refused', code: 'STALE_EPOCH' }]);
    },
    TIMEOUT_MS,
  );

  it('still commits, moves and forgets when the memory is used up and appends are refused', async () => {
    const { store, redis } = await storeAt(server.url);
    const owned = await store.takeOwnership(P0, 'worker');
    await store.commit([step(owned.epoch, 0)]);
    await redis.config('SET', 'maxmemory', 1);
    const log = new RedisEventLog({
      redis,
      laneBytesMax: { control: MEBIBYTE, telemetry: MEBIBYTE },
      frameBytesMax: MEBIBYTE,
    });
    const request = { lane: 'control', partition: P0, producerId: 'p', seq: 1, body: 'x', recordCount: 1 } as const;
    const full = { kind: 'refused', code: 'LANE_FULL' };
    expect(await log.append([request])).toEqual([full]);
    expect(await log.append([request, { ...request, lane: 'telemetry' }])).toEqual([full, full]);
    const outbox = [{ id: 'telemetry:1:0', kind: 'change', key: KEY, payload: 'x' }] as const;
    expect(await store.commit([{ ...step(owned.epoch, 1), outbox }])).toEqual([{ kind: 'committed' }]);
    await store.confirmOutbox(P0, ['telemetry:1:0']);
    expect(await store.outbox(P0, 10)).toEqual([]);
    const one = await store.takeOwnership(P1, 'worker');
    const both = [step(owned.epoch, 2), { ...step(one.epoch, 0), partition: P1 }];
    expect(await store.commit(both)).toEqual([{ kind: 'committed' }, { kind: 'committed' }]);
    const next = await store.takeOwnership(P0, 'other');
    expect(next.positions.telemetry).toBe(3);
    const attempt = { lane: 'telemetry', offset: 3 as Offset, processId: 'other' } as const;
    expect(await store.noteAttempt(P0, next.epoch, attempt)).toBe(1);
  });

  it('finds what format 1 stored, whoever reads it first, and goes on from there', async () => {
    const { store, redis } = await storeAt(server.url);
    const owned = await store.takeOwnership(P0, 'worker');
    const other = 'default/older' as DeviceKey;
    await redis.hset(`bw:{0}:twin:${KEY}`, { r: '7', s: '{"v":1}' });
    await redis.hset(`bw:{0}:twin:${other}`, { r: '1', s: 'one' });
    expect(await store.read(P0, KEY)).toEqual({ key: KEY, revision: 7, state: '{"v":1}' });
    expect((await store.load(P0, [KEY, other, 'default/new' as DeviceKey])).map(({ revision }) => revision)).toEqual([
      7, 1, 0,
    ]);
    expect(await redis.keys('bw:{0}:twin:*')).toEqual([]);
    const twins = [{ key: KEY, expectedRevision: 7, telemetry: '[]' }];
    expect(await store.commit([{ ...step(owned.epoch, 0), twins }])).toEqual([{ kind: 'committed' }]);
    expect(await store.read(P0, KEY)).toEqual({ key: KEY, revision: 8, state: '{"v":1}\n[]' });
  });

  it('writes nothing when something foreign lies under one of its keys', async () => {
    const { store, redis } = await storeAt(server.url);
    const owned = await store.takeOwnership(P0, 'worker');
    await redis.set('bw:{0}:outbox', 'foreign');
    const outbox = [{ id: 'telemetry:0:0', kind: 'change', key: KEY, payload: 'x' }] as const;
    await expect(store.commit([{ ...step(owned.epoch, 0), outbox }])).rejects.toThrow('WRONGTYPE');
    expect(await store.read(P0, KEY)).toEqual({ key: KEY, revision: 0, state: null });
    expect((await store.ledger(P0)).positions.telemetry).toBe(0);
  });

  it('keeps ids and texts apart that look like keys, scripts or commands', async () => {
    const { store } = await storeAt(server.url);
    const owned = await store.takeOwnership(P0, '} redis.call("FLUSHALL") --');
    const odd = ['a:b', '{1}', 'shard', '\r\nFLUSHALL\r\n', '"]', '12 x 3', '%s%d', '\u0000'];
    const keys = odd.map((text) => `default/${text}` as DeviceKey);
    const commit: ShardCommit = {
      ...step(owned.epoch, 0),
      twins: keys.map((key, index) => ({ key, expectedRevision: 0, state: odd[index]! })),
      outbox: keys.map((key, index) => ({ id: odd[index]!, kind: 'downlink', key, payload: odd[index]! })),
      timers: keys.map((key, index) => ({ key, timerId: odd[index]!, generation: 1, dueAtMs: index })),
    };
    expect(await store.commit([commit])).toEqual([{ kind: 'committed' }]);
    expect((await store.load(P0, keys)).map(({ state }) => state)).toEqual(odd);
    expect(await store.outbox(P0, 100)).toEqual(commit.outbox);
    expect(await store.dueTimers(P0, 100, 100)).toEqual(commit.timers);
  });

  it('stores thousands of effects and timers in one commit', async () => {
    const { store } = await storeAt(server.url);
    const owned = await store.takeOwnership(P0, 'worker');
    const indexes = Array.from({ length: 9_000 }, (_, index) => index);
    const commit: ShardCommit = {
      ...step(owned.epoch, 0),
      outbox: indexes.map((index) => ({ id: `telemetry:0:${index}`, kind: 'change', key: KEY, payload: `${index}` })),
      timers: indexes.map((index) => ({ key: KEY, timerId: `t${index}`, generation: 1, dueAtMs: index })),
    };
    expect(await store.commit([commit])).toEqual([{ kind: 'committed' }]);
    expect(await store.outbox(P0, 10_000)).toEqual(commit.outbox);
    await store.confirmOutbox(
      P0,
      commit.outbox.map(({ id }) => id),
    );
    expect(await store.outbox(P0, 10_000)).toEqual([]);
    expect(await store.dueTimers(P0, 10_000, 10_000)).toEqual(commit.timers);
  });
});

/** One record of telemetry applied to one twin. */
function step(epoch: Epoch, at: number): ShardCommit {
  return {
    partition: P0,
    epoch,
    logId: LOG_ID,
    expected: { control: 0 as Offset, telemetry: at as Offset },
    next: { control: 0 as Offset, telemetry: (at + 1) as Offset },
    twins: [{ key: KEY, expectedRevision: at, state: `state ${at + 1}` }],
    outbox: [],
    timers: [],
    counts: { control: {}, telemetry: { applied: 1 } },
    tenants: { control: {}, telemetry: { default: { applied: 1 } } },
  };
}

const TRIES_MAX = 200;

async function reconnected<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === TRIES_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
