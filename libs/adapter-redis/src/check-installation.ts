import { PlatformError } from '@breakwater/twin-runtime';

import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import { RedisScript } from './redis-script.ts';

/**
 * Raised with every change of the keys or of what is stored under them that an older build would misread. Data of
 * format 1 is taken over: what differs, the place of a twin, is made good when the twin is first read.
 */
export const DATA_FORMAT_VERSION = 2;

/**
 * KEYS: installation
 * ARGV: partition count, format version, engine of the log
 */
const installScript = new RedisScript(
  'install',
  `#!lua flags=allow-oom
local known = redis.call('HEXISTS', KEYS[1], 'partitionCount') == 1
redis.call('HSETNX', KEYS[1], 'partitionCount', ARGV[1])
redis.call('HSETNX', KEYS[1], 'formatVersion', ARGV[2])
if redis.call('HGET', KEYS[1], 'formatVersion') == '1' then redis.call('HSET', KEYS[1], 'formatVersion', ARGV[2]) end
redis.call('HSETNX', KEYS[1], 'eventLog', known and 'redis' or ARGV[3])
return redis.call('HMGET', KEYS[1], 'partitionCount', 'formatVersion', 'eventLog')
`,
);

/**
 * Called by every process before it touches the data: an empty Redis becomes ours, and one whose data was made with
 * another partition count or format, or from another log, is refused, because twins and records would be looked for in
 * the wrong places. Installations that are older than the choice have their log in Redis.
 */
export async function checkInstallation(
  redis: RedisClient,
  expected: { readonly partitionCount: number; readonly eventLog?: string },
): Promise<void> {
  const { partitionCount, eventLog = 'redis' } = expected;
  const wanted = [partitionCount, DATA_FORMAT_VERSION, eventLog];
  const stored = (await installScript.run(redis, [redisKeys.installation], wanted)) as [string, string, string];
  const [storedCount, storedVersion] = stored.slice(0, 2).map(Number);
  const storedLog = stored[2];
  if (storedVersion !== DATA_FORMAT_VERSION) {
    throw new PlatformError(
      'DATA_FORMAT_MISMATCH',
      `the data in Redis has format version ${storedVersion}, and this build works with version ` +
        `${DATA_FORMAT_VERSION}: start the build that wrote it, or point DATA_DIR or REDIS_URL at other data`,
    );
  }
  if (storedCount !== partitionCount) {
    throw new PlatformError(
      'PARTITION_COUNT_MISMATCH',
      `the data in Redis has ${storedCount} partitions and PARTITIONS is ${partitionCount}: the count is part of the ` +
        `data, so start with PARTITIONS=${storedCount}, or point DATA_DIR or REDIS_URL at other data`,
    );
  }
  if (storedLog !== eventLog) {
    throw new PlatformError(
      'EVENT_LOG_MISMATCH',
      `the twins in Redis come from a log on ${storedLog}, and EVENT_LOG is ${eventLog}: their positions say nothing about ` +
        `another log, so start with EVENT_LOG=${storedLog}, or point DATA_DIR or REDIS_URL at other data`,
    );
  }
}

/** The engine that the twins' positions belong to; null in an empty Redis. Changes nothing. */
export async function eventLogOf(redis: RedisClient): Promise<string | null> {
  const [count, eventLog] = await redis.hmget(redisKeys.installation, 'partitionCount', 'eventLog');
  return count == null ? null : (eventLog ?? 'redis');
}

/** Of the data that is there; null in an empty Redis. Changes nothing. */
export async function partitionCountOf(redis: RedisClient): Promise<number | null> {
  const count = await redis.hget(redisKeys.installation, 'partitionCount');
  return count === null ? null : Number(count);
}
