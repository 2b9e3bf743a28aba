import { assert } from '@breakwater/twin';

import { connectRedis, type RedisClient } from '../src/index.ts';
import {
  startRedisCluster,
  startRedisServer,
  type RedisClusterForTest,
  type RedisServerForTest,
} from '../src/testing/index.ts';

/** Every contract holds on one server and on a cluster of three. */
export const REDIS_SETUPS = ['redis-server', 'Redis Cluster'] as const;
export type RedisSetup = (typeof REDIS_SETUPS)[number];

/** One Redis for the tests of a file, emptied for each of them. */
export class RedisUnderTest {
  readonly #setup: RedisSetup;
  #server: RedisServerForTest | null = null;
  #cluster: RedisClusterForTest | null = null;

  constructor(setup: RedisSetup = 'redis-server') {
    this.#setup = setup;
  }

  get server(): RedisServerForTest {
    assert(this.#server !== null, 'the server is started before a test uses it');
    return this.#server;
  }

  async start(): Promise<void> {
    if (this.#setup === 'Redis Cluster') this.#cluster = await startRedisCluster();
    else this.#server = await startRedisServer();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.#cluster?.stop();
  }

  /** A connection to the emptied Redis. */
  async emptyConnection(): Promise<RedisClient> {
    if (this.#cluster !== null) {
      await this.#cluster.clear();
      return connectRedis(this.#cluster.url);
    }
    const redis = await connectRedis(this.server.url);
    await redis.flushall();
    return redis;
  }
}
