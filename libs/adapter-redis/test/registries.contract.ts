import { afterAll, beforeAll, describe } from '@jest/globals';
import {
  banListContract,
  changeFeedContract,
  commandHintsContract,
  commandIndexContract,
  commandSignalsContract,
  deviceRegistryContract,
  downlinkChannelContract,
  operationAnswersContract,
  leasedGroup,
  partitionLeasesContract,
  partitionMembershipContract,
  refusalCountsContract,
  sessionArchiveContract,
  sessionDirectoryContract,
  telemetryHintsContract,
  tenantTrustContract,
} from '@breakwater/twin-runtime/testing';
import { systemClock } from '@breakwater/twin-runtime';

import {
  RedisBanList,
  RedisChangeFeed,
  RedisCommandHints,
  RedisCommandIndex,
  RedisCommandSignals,
  RedisDeviceRegistry,
  RedisDownlinkChannel,
  RedisOperationAnswers,
  RedisPartitionLeases,
  RedisRefusalCounts,
  RedisSessionDirectory,
  RedisTelemetryHints,
  RedisTenantTrustStore,
  type RedisClient,
} from '../src/index.ts';
import { redisServerAvailable } from '../src/testing/index.ts';
import { REDIS_SETUPS, RedisUnderTest } from './redis-under-test.ts';

const BYTES_MAX = 1024 * 1024;

(redisServerAvailable() ? describe : describe.skip).each(REDIS_SETUPS)('%s', (setup) => {
  const server = new RedisUnderTest(setup);
  beforeAll(() => server.start());
  afterAll(() => server.stop());

  const make = async <Port extends object>(create: (redis: RedisClient) => Port) => {
    const redis = await server.emptyConnection();
    const port = create(redis);
    const cleanup = async (): Promise<void> => {
      if ('close' in port && typeof port.close === 'function' && port.close.length === 0) port.close();
      redis.disconnect();
    };
    return { port, cleanup };
  };

  refusalCountsContract('Redis', {
    make: ({ linesMax }) => make((redis) => new RedisRefusalCounts(redis, linesMax)),
  });
  banListContract('Redis', { make: (options) => make((redis) => new RedisBanList(redis, options)) });
  partitionLeasesContract('Redis', { make: () => make((redis) => new RedisPartitionLeases(redis)) });
  partitionMembershipContract('leases in Redis', async () => {
    const redis = await server.emptyConnection();
    return leasedGroup({
      leases: new RedisPartitionLeases(redis),
      clock: systemClock,
      leaseTtlMs: 1_000,
      pass: () => systemClock.sleep(20),
      cleanup: async () => redis.disconnect(),
    });
  });
  sessionDirectoryContract('Redis', { make: () => make((redis) => new RedisSessionDirectory(redis)) });
  sessionArchiveContract('Redis', {
    make: (options) => make((redis) => new RedisSessionDirectory(redis, options)),
  });
  downlinkChannelContract('Redis', {
    make: ({ noticesMax }) => make((redis) => new RedisDownlinkChannel({ redis, noticesMax, bytesMax: BYTES_MAX })),
  });
  changeFeedContract('Redis', {
    make: ({ entriesKept }) => make((redis) => new RedisChangeFeed({ redis, entriesKept, bytesKept: BYTES_MAX })),
  });
  commandSignalsContract('Redis', {
    make: ({ signalsMax }) => make((redis) => new RedisCommandSignals({ redis, signalsMax })),
  });
  commandIndexContract('Redis', { make: () => make((redis) => new RedisCommandIndex(redis)) });
  commandHintsContract('Redis', { make: () => make((redis) => new RedisCommandHints(redis)) });
  operationAnswersContract('Redis', { make: () => make((redis) => new RedisOperationAnswers(redis)) });
  telemetryHintsContract('Redis', { make: () => make((redis) => new RedisTelemetryHints(redis)) });
  tenantTrustContract('Redis', { make: () => make((redis) => new RedisTenantTrustStore(redis)) });
  deviceRegistryContract('Redis', { make: () => make((redis) => new RedisDeviceRegistry(redis)) });
});
