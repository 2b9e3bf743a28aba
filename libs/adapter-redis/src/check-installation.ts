import { PlatformError } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { redisKeys } from './redis-keys.ts';
import { RedisScript } from './redis-script.ts';

/**
 * Raised with every change of the keys or of what is stored under them that an older build would misread. Data of
 * format 1 is taken over: what differs, the place of a twin, is made good when the twin is first read.
 */
export const DATA_FORMAT_VERSION = 2;

/**
 * KEYS: installation
 * ARGV: partition count, format version
 */
const installScript = new RedisScript(
  'install',
  `#!lua flags=allow-oom
redis.call('HSETNX', KEYS[1], 'partitionCount', ARGV[1])
redis.call('HSETNX', KEYS[1], 'formatVersion', ARGV[2])
if redis.call('HGET', KEYS[1], 'formatVersion') == '1' then redis.call('HSET', KEYS[1], 'formatVersion', ARGV[2]) end
return redis.call('HMGET', KEYS[1], 'partitionCount', 'formatVersion')
`,
);

/**
 * Called by every process before it touches the data: an empty Redis becomes ours, and one whose data was made with
 * another partition count or format is refused, because twins and records would be looked for in the wrong places.
 */
export async function checkInstallation(redis: Redis, expected: { readonly partitionCount: number }): Promise<void> {
  const { partitionCount } = expected;
  const stored = await installScript.run(redis, [redisKeys.installation], [partitionCount, DATA_FORMAT_VERSION]);
  const [storedCount, storedVersion] = (stored as [string, string]).map(Number);
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
}

/** Of the data that is there; null in an empty Redis. Changes nothing. */
export async function partitionCountOf(redis: Redis): Promise<number | null> {
  const count = await redis.hget(redisKeys.installation, 'partitionCount');
  return count === null ? null : Number(count);
}
