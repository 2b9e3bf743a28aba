import type { Partition } from '@breakwater/twin';
import type { PartitionLeases } from '@breakwater/twin-runtime';

import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import { throwUnlessAnswered, type RedisScript, type ScriptCall } from './redis-script.ts';
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
  readonly #redis: RedisClient;

  constructor(redis: RedisClient) {
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
      answers.push(...(await this.#answers(acquireLeaseScript, calls)));
    }
    return answers;
  }

  async release(partition: Partition, memberId: string): Promise<void> {
    await releaseLeaseScript.run(this.#redis, [redisKeys.lease(partition)], [memberId]);
  }

  async held(partitions: readonly Partition[]): Promise<readonly boolean[]> {
    const calls = partitions.map((partition) => ({ keys: [redisKeys.lease(partition)], args: [] }));
    return this.#answers(leaseHeldScript, calls);
  }

  async leave(memberId: string): Promise<void> {
    await this.#redis.hdel(redisKeys.members, memberId);
  }

  /** What lies on a node that is away is held by nobody: nobody can commit to it. The others keep what they have. */
  async #answers(script: RedisScript, calls: readonly ScriptCall[]): Promise<readonly boolean[]> {
    const replies = await script.runAll(this.#redis, calls);
    throwUnlessAnswered(replies);
    return replies.map(([error, held]) => error === null && held === 1);
  }
}
