import { afterAll, beforeAll, describe } from '@jest/globals';
import { twinStoreContract } from '@breakwater/twin-runtime/testing';

import { RedisTwinStore } from '../src/index.ts';
import { redisServerAvailable } from '../src/testing/index.ts';
import { RedisUnderTest } from './redis-under-test.ts';

(redisServerAvailable() ? describe : describe.skip)('redis-server', () => {
  const server = new RedisUnderTest();
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
