import type { Partition } from '@breakwater/twin';
import type { PartitionLeases } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { redisKeys } from './redis-keys.ts';
import { valuesOf } from './redis-script.ts';
import {
  acquireLeaseScript,
  heartbeatScript,
  leaseHeldScript,
  releaseLeaseScript,
} from './scripts/partition-lease-scripts.ts';

/** So many are done in one turn of Redis' event loop, some milliseconds, before it serves somebody else. */
const LEASES_PER_CALL_MAX = 256;

/** Leases by the clock of Redis. They only spread the work: what keeps one writer per twin is the epoch. */
export class RedisPartitionLeases implements PartitionLeases {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async heartbeat(memberId: string, ttlMs: number): Promise<readonly string[]> {
    const members = (await heartbeatScript.run(this.#redis, [redisKeys.members], [memberId, ttlMs])) as string[];
    return members.sort();
  }

  async acquire(partitions: readonly Partition[], memberId: string, ttlMs: number): Promise<readonly boolean[]> {
    const answers: boolean[] = [];
    for (let first = 0; first < partitions.length; first += LEASES_PER_CALL_MAX) {
      const calls = partitions
        .slice(first, first + LEASES_PER_CALL_MAX)
        .map((partition) => ({ keys: [redisKeys.lease(partition)], args: [memberId, ttlMs] }));
      const replies = valuesOf(await acquireLeaseScript.runAll(this.#redis, calls));
      answers.push(...replies.map((held) => held === 1));
    }
    return answers;
  }

  async release(partition: Partition, memberId: string): Promise<void> {
    await releaseLeaseScript.run(this.#redis, [redisKeys.lease(partition)], [memberId]);
  }

  async held(partitions: readonly Partition[]): Promise<readonly boolean[]> {
    const calls = partitions.map((partition) => ({ keys: [redisKeys.lease(partition)], args: [] }));
    return valuesOf(await leaseHeldScript.runAll(this.#redis, calls)).map((held) => held === 1);
  }

  async leave(memberId: string): Promise<void> {
    await this.#redis.hdel(redisKeys.members, memberId);
  }
}
