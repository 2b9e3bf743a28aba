import { afterAll, beforeAll, describe } from '@jest/globals';
import { twinStoreContract } from '@breakwater/twin-runtime/testing';

import { RedisTwinStore } from '../src/index.ts';
import { redisServerAvailable } from '../src/testing/index.ts';
import { REDIS_SETUPS, RedisUnderTest } from './redis-under-test.ts';

(redisServerAvailable() ? describe : describe.skip).each(REDIS_SETUPS)('%s', (setup) => {
  const server = new RedisUnderTest(setup);
  beforeAll(() => server.start());
  afterAll(() => server.stop());

  twinStoreContract('Redis', {
    make: async ({ commitBytesMax }) => {
      const redis = await server.emptyConnection();
      return {
        port: new RedisTwinStore({ redis, commitTwinsMax: 2_000, commitBytesMax }),
        cleanup: async () => redis.disconnect(),
      };
    },
  });
});
