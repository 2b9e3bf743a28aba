import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceId, DeviceKey, LogId, Offset, Partition, TenantId } from '@breakwater/twin';
import type { GatewayNotice } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import {
  checkInstallation,
  RedisChangeFeed,
  RedisDeviceRegistry,
  RedisDownlinkChannel,
  RedisPartitionLeases,
  RedisSessionDirectory,
  RedisWriterLease,
} from '../src/index.ts';
import {
  connectServer,
  redisServerAvailable,
  startRedisServer,
  type RedisServerForTest,
} from '../src/testing/index.ts';

const P0 = 0 as Partition;
const KEY = 'default/d1' as DeviceKey;
const TIMEOUT_MS = 60_000;
const TTL_MS = 4_000;
const SHORT_TTL_MS = 100;
const TRIES_MAX = 400;

(redisServerAvailable() ? describe : describe.skip)('sessions and leases on redis-server, when things fail', () => {
  let server: RedisServerForTest;
  let redis: Redis;
  beforeEach(async () => {
    server = await startRedisServer();
    redis = await connectServer(server.url);
  }, TIMEOUT_MS);
  afterEach(async () => {
    redis.disconnect();
    await server.stop();
  }, TIMEOUT_MS);

  it(
    'lets one writer work: others when it has left, or was silent for a lease time',
    async () => {
      const lease = new RedisWriterLease(redis);
      expect(await lease.acquire('a', TTL_MS)).toBe(true);
      expect(await lease.acquire('b', TTL_MS)).toBe(false);
      await lease.release('b');
      expect(await lease.acquire('a', TTL_MS)).toBe(true);
      await lease.release('a');
      expect(await lease.acquire('b', SHORT_TTL_MS)).toBe(true);
      await until(() => lease.acquire('a', TTL_MS));
      expect(await lease.acquire('b', TTL_MS)).toBe(false);
    },
    TIMEOUT_MS,
  );

  it(
    'declares nobody dead for one lease time after an outage of Redis that was longer than the leases',
    async () => {
      const sessions = new RedisSessionDirectory(redis);
      const leases = new RedisPartitionLeases(redis);
      await sessions.registerGateway('g1', TTL_MS);
      await leases.acquire([P0], 'a', TTL_MS);
      await leases.heartbeat('a', TTL_MS);
      const writtenAtMs = Date.now();
      await server.kill();
      await until(() => Promise.resolve(Date.now() > writtenAtMs + TTL_MS + 1_500));
      await server.restart();
      redis.disconnect();
      redis = await connectServer(server.url);
      const after = { sessions: new RedisSessionDirectory(redis), leases: new RedisPartitionLeases(redis) };
      expect(await after.sessions.liveGateways(['g1'])).toEqual(new Set(['g1']));
      expect(await after.leases.acquire([P0], 'b', TTL_MS)).toEqual([false]);
      expect(await after.leases.heartbeat('b', TTL_MS)).toEqual(['a', 'b']);
      // And it ends: who does not come back is declared dead.
      await until(async () => (await after.sessions.liveGateways(['g1'])).size === 0);
      expect(await after.sessions.renewGateway('g1', TTL_MS)).toBe(false);
      await until(async () => (await after.leases.acquire([P0], 'b', TTL_MS))[0] === true);
    },
    TIMEOUT_MS,
  );

  it('lets no gateway renew once somebody has seen it dead, and takes nothing for it', async () => {
    const sessions = new RedisSessionDirectory(redis);
    const channel = new RedisDownlinkChannel({ redis, noticesMax: 10, bytesMax: 10_000 });
    await sessions.registerGateway('g1', SHORT_TTL_MS);
    expect(await channel.send('g1', [notice(1)])).toEqual([true]);
    await until(async () => (await sessions.liveGateways(['g1'])).size === 0);
    expect(await sessions.renewGateway('g1', TTL_MS)).toBe(false);
    expect(await channel.send('g1', [notice(2)])).toEqual([false]);
    expect(await channel.receive('g1', 0)).toEqual([]);
    await sessions.registerGateway('g2', TTL_MS);
    await sessions.unregisterGateway('g2');
    expect(await channel.send('g2', [notice(1)])).toEqual([false]);
    expect(await sessions.renewGateway('g2', TTL_MS)).toBe(false);
    channel.close();
  });

  it('bounds a channel by bytes too', async () => {
    const channel = new RedisDownlinkChannel({ redis, noticesMax: 1_000, bytesMax: 2_000 });
    const large: GatewayNotice = { ...notice(1), key: `default/${'x'.repeat(700)}` as DeviceKey };
    expect(await channel.send('g1', [large, large, large, notice(1)])).toEqual([true, true, false, false]);
    expect(await channel.receive('g1', 0)).toHaveLength(2);
    expect(await channel.send('g1', [large])).toEqual([true]);
    channel.close();
  });

  it('bounds the feed of changes by bytes, and says that there is a gap', async () => {
    const feed = new RedisChangeFeed({ redis, entriesKept: 1_000, bytesKept: 20_000 });
    const change = (changeNumber: number) => ({
      key: KEY,
      incarnation: 1,
      changeNumber,
      sections: [],
      tsMs: 1,
      ...{ version: 1, reportedVersion: 0, logId: 'log' as LogId, lane: 'control' as const, offset: 0 as Offset },
      document: 'x'.repeat(1_000),
    });
    const start = await feed.end(P0);
    for (let number = 1; number <= 100; number++) await feed.publish(P0, [change(number)]);
    const { entries, gap } = await feed.since(P0, KEY, start, 1_000);
    expect(gap).toBe(true);
    expect(entries.length).toBeGreaterThan(10);
    expect(entries.length).toBeLessThan(20);
    expect(entries.at(-1)?.change.changeNumber).toBe(100);
    feed.close();
  });

  it('mints session epochs that grow over a restart, a close and another life of the device', async () => {
    const first = await new RedisSessionDirectory(redis).open(P0, KEY, 'g1');
    await new RedisSessionDirectory(redis).close(P0, KEY, first.sessionEpoch);
    await server.restart();
    redis.disconnect();
    redis = await connectServer(server.url);
    const second = await new RedisSessionDirectory(redis).open(P0, KEY, 'g2');
    expect(second.sessionEpoch).toBeGreaterThan(first.sessionEpoch);
  });

  it('gives a token to one device only', async () => {
    const registry = new RedisDeviceRegistry(redis);
    const [tenant, one, two] = ['t' as TenantId, 'one' as DeviceId, 'two' as DeviceId];
    await registry.createDevice(tenant, one, 'hash', 1);
    await expect(registry.createDevice(tenant, two, 'hash', 1)).rejects.toThrow('CREDENTIAL_TAKEN');
    await registry.createDevice(tenant, two, 'other', 1);
    await expect(registry.rotateToken(tenant, two, 'hash')).rejects.toThrow('CREDENTIAL_TAKEN');
    expect(await registry.deviceOfToken('hash')).toMatchObject({ device: one });
  });

  it('refuses data of another partition count or format', async () => {
    await checkInstallation(redis, { partitionCount: 16 });
    await checkInstallation(redis, { partitionCount: 16 });
    await expect(checkInstallation(redis, { partitionCount: 8 })).rejects.toMatchObject({
      code: 'PARTITION_COUNT_MISMATCH',
    });
    await redis.hset('bw:installation', 'formatVersion', '999');
    await expect(checkInstallation(redis, { partitionCount: 16 })).rejects.toMatchObject({
      code: 'DATA_FORMAT_MISMATCH',
    });
  });

  it('says in one sentence that nobody answers', async () => {
    await expect(connectServer('unix:///nowhere/redis.sock', { readyTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
    });
    await expect(connectServer('http://127.0.0.1')).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  });
});

function notice(sessionEpoch: number): Extract<GatewayNotice, { kind: 'closeSession' }> {
  return { kind: 'closeSession', key: KEY, sessionEpoch: sessionEpoch as never, reason: 'takenOver' };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 1; !(await condition()); tries++) {
    if (tries === TRIES_MAX) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
