import {
  ClickHouseWriterLedger,
  connectClickHouse,
  type ClickHouse,
  StoredAudit,
} from '@breakwater/adapter-clickhouse';
import {
  connectRedis,
  openEventLog,
  partitionCountOf,
  type RedisEventLog,
  RedisTwinStore,
} from '@breakwater/adapter-redis';
import { eventLogSettings, readSettings, redisSettings } from '@breakwater/config';

import { CliFailure } from '../cli-failure.ts';
import type { Installation } from './find-installation.ts';

/** The stores of an installation, for reading only. */
export interface Stores {
  readonly log: RedisEventLog;
  readonly twins: RedisTwinStore;
  readonly writer: ClickHouseWriterLedger;
  readonly audit: StoredAudit;
  readonly clickhouse: ClickHouse;
  readonly partitionCount: number;
  close(): Promise<void>;
}

const REDIS_TIMEOUT_MS = 5_000;

export async function connectStores(
  installation: Installation,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Stores> {
  const settings = readSettings({ ...redisSettings, ...eventLogSettings }, env);
  const redis = await connectRedis(installation.redisUrl, { name: 'cli', readyTimeoutMs: REDIS_TIMEOUT_MS });
  const partitionCount = await partitionCountOf(redis);
  if (partitionCount === null) {
    redis.disconnect();
    throw new CliFailure('INSTALLATION_NOT_FOUND', `the Redis at ${installation.redisUrl} holds no installation`);
  }
  const clickhouse = connectClickHouse(installation.clickhouse);
  const log = openEventLog(redis, settings);
  return {
    log,
    twins: new RedisTwinStore({ redis, ...settings }),
    writer: new ClickHouseWriterLedger(clickhouse),
    audit: new StoredAudit(clickhouse),
    clickhouse,
    partitionCount,
    close: async () => {
      log.close();
      redis.disconnect();
      await clickhouse.client.close();
    },
  };
}
