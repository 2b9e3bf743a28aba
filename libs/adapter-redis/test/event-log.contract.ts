import { afterAll, beforeAll, describe } from '@jest/globals';
import { eventLogContract } from '@breakwater/twin-runtime/testing';

import { RedisEventLog } from '../src/index.ts';
import { redisServerAvailable } from '../src/testing/index.ts';
import { REDIS_SETUPS, RedisUnderTest } from './redis-under-test.ts';

(redisServerAvailable() ? describe : describe.skip).each(REDIS_SETUPS)('%s', (setup) => {
  const server = new RedisUnderTest(setup);
  beforeAll(() => server.start());
  afterAll(() => server.stop());

  eventLogContract('Redis', {
    make: async ({ laneBytesMax, frameBytesMax, telemetryReserveBytes }) => {
      const redis = await server.emptyConnection();
      const log = new RedisEventLog({
        redis,
        laneBytesMax: { control: laneBytesMax, telemetry: laneBytesMax },
        frameBytesMax,
        telemetryReserveBytes,
      });
      return {
        port: log,
        cleanup: async () => {
          log.close();
          redis.disconnect();
        },
      };
    },
  });
});
