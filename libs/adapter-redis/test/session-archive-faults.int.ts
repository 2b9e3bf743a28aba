import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';
import type { Redis } from 'ioredis';

import { RedisSessionDirectory } from '../src/index.ts';
import {
  connectServer,
  CuttingProxy,
  redisServerAvailable,
  startRedisServer,
  type RedisServerForTest,
} from '../src/testing/index.ts';

const P0 = 0 as Partition;
const KEY = 'default/d1' as DeviceKey;
const MEBIBYTE = 1024 * 1024;
const TTL_MS = 60_000;
const CUTS = 20;
const TRIES_MAX = 200;
const FILL_MAX = 10_000;

(redisServerAvailable() ? describe : describe.skip)('kept sessions on redis-server, when things fail', () => {
  let server: RedisServerForTest;
  let redis: Redis;
  const start = async (memoryBytesMax = 0): Promise<RedisSessionDirectory> => {
    server = await startRedisServer({ memoryBytesMax });
    redis = await connectServer(server.url);
    return new RedisSessionDirectory(redis);
  };
  afterEach(async () => {
    redis.disconnect();
    await server.stop();
  });
  const sessionOf = (sessionEpoch: SessionEpoch, text: string) => ({
    sessionEpoch,
    bytes: Buffer.from(text),
    ttlMs: TTL_MS,
  });

  describe('when replies are lost', () => {
    let proxy: CuttingProxy;
    let cutRedis: Redis;
    let sessions: RedisSessionDirectory;
    let cut: RedisSessionDirectory;
    beforeEach(async () => {
      sessions = await start();
      proxy = await CuttingProxy.start(`${server.socketPath}.proxy`, server.socketPath);
      cutRedis = await connectServer(proxy.url);
      cut = new RedisSessionDirectory(cutRedis);
    });
    afterEach(async () => {
      cutRedis.disconnect();
      await proxy.stop();
    });
    const reconnected = async <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await call();
        } catch (error) {
          if (attempt === TRIES_MAX) throw error;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    };

    it('saves once and again to the same end, and no later than a takeover', async () => {
      for (let at = 0; at < CUTS; at++) {
        const { sessionEpoch } = await reconnected(() => cut.open(P0, KEY, 'g1'));
        proxy.cutNextReply();
        const session = sessionOf(sessionEpoch, `session ${at}`);
        await expect(cut.save(P0, KEY, session)).rejects.toThrow();
        const again = await reconnected(() => cut.save(P0, KEY, session));
        expect(again).toBe('saved');
        const { archived } = await sessions.open(P0, KEY, 'g2');
        expect(Buffer.from(archived?.bytes ?? []).toString()).toBe(`session ${at}`);
        // Who did not hear the answer, and lost the device meanwhile, hears that instead.
        expect(await reconnected(() => cut.save(P0, KEY, sessionOf(sessionEpoch, 'late')))).toBe('fenced');
      }
      expect(proxy.cuts).toBe(CUTS);
    });

    it('takes over again when the answer of a takeover was lost, and shows the kept session again', async () => {
      const { sessionEpoch } = await sessions.open(P0, KEY, 'g1');
      await sessions.save(P0, KEY, sessionOf(sessionEpoch, 'kept'));
      proxy.cutNextReply();
      await expect(cut.open(P0, KEY, 'g2')).rejects.toThrow();
      const again = await reconnected(() => cut.open(P0, KEY, 'g2'));
      expect(again.sessionEpoch).toBeGreaterThan(sessionEpoch + 1);
      expect(again.archived?.sessionEpoch).toBe(sessionEpoch);
    });
  });

  it('outlives a kill of Redis', async () => {
    const sessions = await start();
    const { sessionEpoch } = await sessions.open(P0, KEY, 'g1');
    await sessions.save(P0, KEY, sessionOf(sessionEpoch, 'kept'));
    await server.kill();
    await server.restart();
    redis.disconnect();
    redis = await connectServer(server.url);
    const { archived } = await new RedisSessionDirectory(redis).open(P0, KEY, 'g2');
    expect(Buffer.from(archived?.bytes ?? []).toString()).toBe('kept');
    expect(await redis.pttl('bw:{0}:session:default/d1')).toBeLessThanOrEqual(TTL_MS);
  });

  it('keeps no more when the memory of Redis is used up, and still takes over, extends and removes', async () => {
    const sessions = await start(4 * MEBIBYTE);
    const { sessionEpoch } = await sessions.open(P0, KEY, 'g1');
    await sessions.save(P0, KEY, sessionOf(sessionEpoch, 'kept'));
    let filled = 0;
    const fill = async (bytes: number): Promise<void> => {
      for (; filled < FILL_MAX; filled++) await redis.set(`fill:${filled}`, 'x'.repeat(bytes));
    };
    // The large ones leave a rest, and the small ones nothing of it.
    for (const bytes of [32 * 1024, 64]) await expect(fill(bytes)).rejects.toThrow('OOM');
    await expect(sessions.save(P0, KEY, sessionOf(sessionEpoch, 'x'.repeat(1_000)))).rejects.toThrow('OOM');
    expect(await sessions.extend(P0, KEY, { sessionEpoch, ttlMs: TTL_MS })).toBe(true);
    const next = await sessions.open(P0, KEY, 'g2');
    expect(Buffer.from(next.archived?.bytes ?? []).toString()).toBe('kept');
    await sessions.remove(P0, KEY, next.sessionEpoch);
    expect((await sessions.open(P0, KEY, 'g3')).archived).toBeNull();
  });
});
