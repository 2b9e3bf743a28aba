import { pause } from '../../platform-steps.ts';
import type { FaultCase } from '../fault-case.ts';
import { canMount, canTrace } from '../machine-abilities.ts';
import type { PlatformUnderFault } from '../platform-under-fault.ts';
import { fillDisk, slowFsync } from '../spoil-disk.ts';

const FULL_MS = 15_000;
const FULL_LOAD_SECONDS = 26;
const FSYNC_DELAY_MS = 300;
const SLOW_FSYNC_MS = 25_000;
const PAUSE_MS = 6_000;
const PAUSES = 2;

/** Redis and ClickHouse that are slow, full, or without a disk to write on. */
export const SPOILT_STORES: readonly FaultCase[] = [
  {
    name: 'redis-paused',
    title: 'CLIENT PAUSE: Redis answers nobody for 6 s, twice',
    lines: ['F17'],
    loadSeconds: FULL_LOAD_SECONDS,
    strike: (platform) => twice(platform, ['CLIENT', 'PAUSE', String(PAUSE_MS), 'ALL']),
  },
  {
    name: 'redis-asleep',
    title: 'DEBUG SLEEP: Redis does nothing at all for 6 s, twice',
    lines: ['F17'],
    loadSeconds: FULL_LOAD_SECONDS,
    strike: (platform) => twice(platform, ['DEBUG', 'SLEEP', String(PAUSE_MS / 1000)]),
  },
  {
    name: 'redis-memory-full',
    title: 'Redis may hold less than it does (maxmemory, noeviction) for 15 s',
    lines: ['F26'],
    loadSeconds: FULL_LOAD_SECONDS,
    strike: (platform) =>
      platform.withRedis(async (redis) => {
        const [, before] = (await redis.call('CONFIG', 'GET', 'maxmemory')) as [string, string];
        await redis.call('CONFIG', 'SET', 'maxmemory', '1');
        await pause(FULL_MS);
        await redis.call('CONFIG', 'SET', 'maxmemory', before);
        const evicted = /evicted_keys:(\d+)/.exec((await redis.call('INFO', 'stats')) as string)?.[1];
        if (evicted !== '0') throw new Error(`Redis evicted ${evicted} keys`);
        return undefined;
      }),
  },
  {
    name: 'redis-disk-full',
    title: 'the disk of the append-only file is full for 15 s',
    lines: ['F18', 'F24'],
    short: true,
    loadSeconds: FULL_LOAD_SECONDS,
    setup: { smallDisk: 'redis' },
    lacks: canMount,
    strike: (platform) => fillDisk(platform, 'redis', FULL_MS),
  },
  {
    name: 'clickhouse-disk-full',
    title: 'the disk of ClickHouse is full for 15 s',
    lines: ['F28'],
    loadSeconds: FULL_LOAD_SECONDS,
    setup: { smallDisk: 'clickhouse' },
    lacks: canMount,
    strike: (platform) => fillDisk(platform, 'clickhouse', FULL_MS),
  },
  {
    name: 'redis-slow-fsync',
    title: 'each fsync of Redis takes 300 ms longer, for 25 s',
    lines: ['F27'],
    loadSeconds: 32,
    lacks: canTrace,
    strike: async (platform) => {
      const [pid = 0] = await platform.pidsOf('redis');
      return whileNoOwnerChanges(platform, async () => {
        await slowFsync(pid, { delayMs: FSYNC_DELAY_MS, forMs: SLOW_FSYNC_MS });
        return `each fsync ${FSYNC_DELAY_MS} ms late`;
      });
    },
  },
];

function twice(platform: PlatformUnderFault, command: readonly string[]): Promise<undefined> {
  return platform.withRedis(async (redis) => {
    const [name = '', ...rest] = command;
    for (let time = 0; time < PAUSES; time++) {
      await redis.call(name, ...rest);
      await pause(PAUSE_MS);
    }
    return undefined;
  });
}

/** What makes parts slow, and none of them silent for as long as a lease: nobody may lose a shard by it. */
export async function whileNoOwnerChanges(
  platform: PlatformUnderFault,
  strike: () => Promise<string>,
): Promise<string> {
  const before = await platform.metric('twin-worker', 'twin_shard_ends_total');
  const note = await strike();
  const changes = (await platform.metric('twin-worker', 'twin_shard_ends_total')) - before;
  if (changes > 0) throw new Error(`${changes} shards changed their owner because all was slow`);
  return `${note}, no shard changed its owner`;
}
