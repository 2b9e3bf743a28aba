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

/** Under which keys a group has its leases. */
export interface LeaseKeys {
  readonly members: string;
  lease(partition: Partition): string;
}

/** The keys of the telemetry-writers of one division of the lane; a range's number is in the place of a partition's. */
export function writerRangeLeaseKeys(ranges: number): LeaseKeys {
  return { members: redisKeys.writerMembers(ranges), lease: (range) => redisKeys.writerRange(ranges, range) };
}

/** Leases by the clock of Redis. They only spread the work: what keeps one writer per twin is the epoch. */
export class RedisPartitionLeases implements PartitionLeases {
  readonly #redis: RedisClient;

  readonly #keys: LeaseKeys;

  /** Without keys of their own these are the leases of the partitions themselves. */
  constructor(redis: RedisClient, keys: LeaseKeys = redisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async heartbeat(memberId: string, ttlMs: number): Promise<readonly string[]> {
    const members = (await heartbeatScript.run(this.#redis, [this.#keys.members], [memberId, ttlMs])) as string[];
    return members.sort();
  }

  async acquire(partitions: readonly Partition[], memberId: string, ttlMs: number): Promise<readonly boolean[]> {
    const answers: boolean[] = [];
    for (let first = 0; first < partitions.length; first += LEASES_PER_CALL_MAX) {
      const calls = partitions
        .slice(first, first + LEASES_PER_CALL_MAX)
        .map((partition) => ({ keys: [this.#keys.lease(partition)], args: [memberId, ttlMs] }));
      answers.push(...(await this.#answers(acquireLeaseScript, calls)));
    }
    return answers;
  }

  async release(partition: Partition, memberId: string): Promise<void> {
    await releaseLeaseScript.run(this.#redis, [this.#keys.lease(partition)], [memberId]);
  }

  async held(partitions: readonly Partition[]): Promise<readonly boolean[]> {
    const calls = partitions.map((partition) => ({ keys: [this.#keys.lease(partition)], args: [] }));
    return this.#answers(leaseHeldScript, calls);
  }

  async leave(memberId: string): Promise<void> {
    await this.#redis.hdel(this.#keys.members, memberId);
  }

  /** What lies on a node that is away is held by nobody: nobody can commit to it. The others keep what they have. */
  async #answers(script: RedisScript, calls: readonly ScriptCall[]): Promise<readonly boolean[]> {
    const replies = await script.runAll(this.#redis, calls);
    throwUnlessAnswered(replies);
    return replies.map(([error, held]) => error === null && held === 1);
  }
}
