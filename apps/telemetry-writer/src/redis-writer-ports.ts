import { ClickHouseSnapshotArchive, connectClickHouse, TwinHistoryStore } from '@breakwater/adapter-clickhouse';
import {
  checkInstallation,
  connectRedis,
  logOriginsOf,
  RedisTwinSnapshots,
  RedisTwinStore,
  RedisWriterLease,
} from '@breakwater/adapter-redis';
import { openLogEngine } from '@breakwater/log-engine';
import type { Logger } from '@breakwater/observability';
import { systemClock } from '@breakwater/twin-runtime';

import { clickHouseStores } from './clickhouse-stores.ts';
import type { WriterSettings } from './read-writer-settings.ts';
import type { WriterPorts } from './writer-ports.ts';

/**
 * The writer's ports on Redis, ClickHouse and the engine of the log. ClickHouse may be away: the log buffers until it
 * is there.
 */
export async function connectWriterPorts(
  settings: WriterSettings,
  logger: Logger,
): Promise<{ readonly ports: WriterPorts; close(): Promise<void> }> {
  const redis = await connectRedis(settings.redisUrl, { logger, name: 'telemetry-writer' });
  const engine = openLogEngine(settings, 'breakwater-telemetry-writer');
  try {
    await checkInstallation(redis, settings);
    await engine.check();
  } catch (error) {
    redis.disconnect();
    await engine.close();
    throw error;
  }
  const clickhouse = connectClickHouse({
    url: settings.clickhouseUrl,
    user: settings.clickhouseUser,
    password: settings.clickhousePassword,
    database: settings.clickhouseDatabase,
  });
  const log = engine.open(redis);
  const reading = log.reader();
  const changes = engine.openChanges(redis, settings);
  return {
    ports: {
      log: reading,
      trimLog: log,
      isLogTrimmedByUs: engine.isTrimmedByUs,
      marks: engine.lagMarks('writer'),
      twins: new RedisTwinStore({ redis, ...settings }),
      stores: clickHouseStores(clickhouse),
      turnLease: new RedisWriterLease(redis),
      changes,
      history: new TwinHistoryStore(clickhouse),
      snapshotSource: new RedisTwinSnapshots(redis),
      snapshotArchive: new ClickHouseSnapshotArchive(clickhouse),
      logOrigins: () => logOriginsOf(redis),
      clock: systemClock,
    },
    close: async () => {
      reading.close();
      changes.close();
      log.close();
      await engine.close();
      redis.disconnect();
      await clickhouse.client.close();
    },
  };
}
