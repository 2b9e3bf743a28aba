import {
  ClickHouseSnapshotArchive,
  ClickHouseWriterLedger,
  connectClickHouse,
  TwinHistoryStore,
} from '@breakwater/adapter-clickhouse';
import {
  checkInstallation,
  connectRedis,
  logOriginsOf,
  RedisTwinSnapshots,
  RedisTwinStore,
  RedisPartitionLeases,
  RedisWriterLease,
  writerRangeLeaseKeys,
} from '@breakwater/adapter-redis';
import { openLogEngine } from '@breakwater/log-engine';
import type { Logger } from '@breakwater/observability';
import { LeasedMembership, systemClock } from '@breakwater/twin-runtime';

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
  const ledger = new ClickHouseWriterLedger(clickhouse);
  const log = engine.open(redis);
  const changes = engine.openChanges(redis, settings);
  return {
    ports: {
      openReader: () => log.reader(),
      trimLog: log,
      isLogTrimmedByUs: engine.isTrimmedByUs,
      marks: engine.lagMarks('writer'),
      twins: new RedisTwinStore({ redis, ...settings }),
      storesOf: (range) => clickHouseStores(clickhouse, { range, partitionCount: settings.partitionCount }),
      storedPositions: (logId) => ledger.storedPositions(logId),
      turnLease: new RedisWriterLease(redis),
      membershipOf: (memberId) => rangeMembership(redis, memberId, settings),
      changes,
      history: new TwinHistoryStore(clickhouse),
      snapshotSource: new RedisTwinSnapshots(redis),
      snapshotArchive: new ClickHouseSnapshotArchive(clickhouse),
      logOrigins: () => logOriginsOf(redis),
      clock: systemClock,
    },
    close: async () => {
      changes.close();
      log.close();
      await engine.close();
      redis.disconnect();
      await clickhouse.client.close();
    },
  };
}

/** Ranges are shared out as the embedded log's shards are; each division of the lane is a group of its own. */
function rangeMembership(
  redis: ConstructorParameters<typeof RedisPartitionLeases>[0],
  memberId: string,
  { ranges, leaseTtlMs }: WriterSettings,
): LeasedMembership {
  const leases = new RedisPartitionLeases(redis, writerRangeLeaseKeys(ranges));
  return new LeasedMembership({ leases, memberId, partitionCount: ranges, leaseTtlMs, clock: systemClock });
}
