import { resolve } from 'node:path';

import { connectRedis, type RedisClient } from '@breakwater/adapter-redis';
import { platformSettings, readSettings } from '@breakwater/config';

import { findInstallation, isRunning, type WhereToLook } from './find-installation.ts';
import { withRedisOf } from './redis-of-folder.ts';

const REDIS_TIMEOUT_MS = 5_000;

/** The Redis that is named, or that of the data folder, whether its installation runs or not. */
export async function withRedis<Result>(
  look: WhereToLook,
  work: (redis: RedisClient) => Promise<Result>,
): Promise<Result> {
  const { env, data, url } = look;
  const isNamed =
    data === undefined && ((env['REDIS_URL'] ?? '') !== '' || (url ?? env['BREAKWATER_URL'] ?? '') !== '');
  const { dataDir } = readSettings(platformSettings, data === undefined ? env : { ...env, DATA_DIR: data });
  const dataFolder = resolve(dataDir);
  if (isNamed || isRunning(dataFolder)) return connected(findInstallation(look).redisUrl, work);
  return withRedisOf(dataFolder, env, (redisUrl) => connected(redisUrl, work));
}

async function connected<Result>(redisUrl: string, work: (redis: RedisClient) => Promise<Result>): Promise<Result> {
  const redis = await connectRedis(redisUrl, { name: 'cli', readyTimeoutMs: REDIS_TIMEOUT_MS });
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
