import { assert } from '@breakwater/twin';
import type { Redis } from 'ioredis';

import { connectRedis } from '../src/index.ts';
import { startRedisServer, type RedisServerForTest } from '../src/testing/index.ts';

/** One redis-server for the tests of a file, emptied for each of them. */
export class RedisUnderTest {
  #server: RedisServerForTest | null = null;

  get server(): RedisServerForTest {
    assert(this.#server !== null, 'the server is started before a test uses it');
    return this.#server;
  }

  async start(): Promise<void> {
    this.#server = await startRedisServer();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  /** A connection to the emptied server. */
  async emptyConnection(): Promise<Redis> {
    const redis = await connectRedis(this.server.url);
    await redis.flushall();
    return redis;
  }
}
