import {
  ClickHouseSnapshotArchive,
  ClickHouseWriterLedger,
  connectClickHouse,
  type ClickHouse,
  StoredAudit,
} from '@breakwater/adapter-clickhouse';
import {
  checkInstallation,
  connectRedis,
  eventLogOf,
  partitionCountOf,
  RedisTwinSnapshots,
  RedisTwinStore,
} from '@breakwater/adapter-redis';
import { eventLogSettings, kafkaSettings, platformSettings, readSettings, redisSettings } from '@breakwater/config';
import { type OpenLog, openLogEngine } from '@breakwater/log-engine';
import type { PartitionHolders } from '@breakwater/twin-runtime';

import { CliFailure } from '../cli-failure.ts';
import type { Installation } from './find-installation.ts';

/** The stores of an installation, for reading only. */
export interface Stores {
  readonly log: OpenLog;
  readonly twins: RedisTwinStore;
  readonly writer: ClickHouseWriterLedger;
  readonly audit: StoredAudit;
  readonly clickhouse: ClickHouse;
  readonly partitionCount: number;
  /** Who works on which partition. */
  readonly holders: PartitionHolders;
  close(): Promise<void>;
}

/** What a rebuild works with: the stores, the snapshots of twins, and a twin store that takes them back. */
export interface RebuildStores extends Stores {
  readonly archive: ClickHouseSnapshotArchive;
  readonly restorer: RedisTwinSnapshots;
}

const REDIS_TIMEOUT_MS = 5_000;

/** As `connectStores`, on a Redis that may have lost everything: it becomes this installation's again. */
export async function connectForRebuild(
  installation: Installation,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RebuildStores> {
  const redis = await connectRedis(installation.redisUrl, { name: 'cli-rebuild', readyTimeoutMs: REDIS_TIMEOUT_MS });
  try {
    if ((await partitionCountOf(redis)) === null) await checkInstallation(redis, readSettings(platformSettings, env));
    const stores = await connectStores(installation, env);
    return {
      ...stores,
      archive: new ClickHouseSnapshotArchive(stores.clickhouse),
      restorer: new RedisTwinSnapshots(redis),
      close: async () => {
        await stores.close();
        redis.disconnect();
      },
    };
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}

export async function connectStores(
  installation: Installation,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Stores> {
  const settings = readSettings({ ...redisSettings, ...eventLogSettings, ...kafkaSettings }, env);
  const redis = await connectRedis(installation.redisUrl, { name: 'cli', readyTimeoutMs: REDIS_TIMEOUT_MS });
  const partitionCount = await partitionCountOf(redis);
  if (partitionCount === null) {
    redis.disconnect();
    throw new CliFailure('INSTALLATION_NOT_FOUND', `the Redis at ${installation.redisUrl} holds no installation`);
  }
  const clickhouse = connectClickHouse(installation.clickhouse);
  const eventLog = (await eventLogOf(redis)) === 'kafka' ? 'kafka' : 'redis';
  const kafkaBrokers = installation.kafkaBrokers ?? settings.kafkaBrokers;
  const engine = openLogEngine({ ...settings, kafkaBrokers, eventLog, partitionCount }, 'breakwater-cli');
  const log = engine.open(redis);
  return {
    log,
    twins: new RedisTwinStore({ redis, ...settings }),
    writer: new ClickHouseWriterLedger(clickhouse),
    audit: new StoredAudit(clickhouse),
    clickhouse,
    partitionCount,
    holders: engine.holders(redis),
    close: async () => {
      log.close();
      await engine.close();
      redis.disconnect();
      await clickhouse.client.close();
    },
  };
}
