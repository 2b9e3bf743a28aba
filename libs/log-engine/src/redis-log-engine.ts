import { openEventLog, RedisChangeFeed, RedisPartitionLeases } from '@breakwater/adapter-redis';
import {
  LeasedMembership,
  type PartitionHolders,
  type PartitionMembership,
  systemClock,
} from '@breakwater/twin-runtime';

import type {
  ChangeFeedSettings,
  LogEngine,
  LogEngineSettings,
  OpenChangeFeed,
  OpenLog,
  RedisConnection,
} from './log-engine.ts';

/** The embedded log, and leases. Its connections belong to whoever made them. */
export class RedisLogEngine implements LogEngine {
  readonly isTrimmedByUs = true;
  readonly #settings: LogEngineSettings;

  constructor(settings: LogEngineSettings) {
    this.#settings = settings;
  }

  /** The count of partitions stands in the same Redis as the twins, and is checked with them. */
  async check(): Promise<void> {}

  open(redis: RedisConnection): OpenLog {
    return openEventLog(redis, this.#settings);
  }

  openChanges(redis: RedisConnection, settings: ChangeFeedSettings): OpenChangeFeed {
    const { changesEntriesKept: entriesKept, changesBytesKept: bytesKept } = settings;
    return new RedisChangeFeed({ redis, entriesKept, bytesKept });
  }

  membershipOf(redis: RedisConnection, member: { memberId: string; leaseTtlMs: number }): PartitionMembership {
    const { partitionCount } = this.#settings;
    const leases = new RedisPartitionLeases(redis);
    return new LeasedMembership({ ...member, partitionCount, leases, clock: systemClock });
  }

  holders(redis: RedisConnection): PartitionHolders {
    return new RedisPartitionLeases(redis);
  }

  lagMarks(): null {
    return null;
  }

  async close(): Promise<void> {}
}
