import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import { acquireLeaseScript, releaseLeaseScript } from './scripts/partition-lease-scripts.ts';

/** Whose turn it is to write telemetry, by the clock of Redis. The epoch in ClickHouse decides; this only spares it. */
export class RedisWriterLease {
  readonly #redis: RedisClient;

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  /** True when this writer now holds the lease; one that it held already is renewed. */
  async acquire(writer: string, ttlMs: number): Promise<boolean> {
    return (await acquireLeaseScript.run(this.#redis, [redisKeys.writerLease], [writer, ttlMs])) === 1;
  }

  /** Without effect when another holds it. */
  async release(writer: string): Promise<void> {
    await releaseLeaseScript.run(this.#redis, [redisKeys.writerLease], [writer]);
  }
}
