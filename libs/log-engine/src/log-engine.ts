import type { connectRedis } from '@breakwater/adapter-redis';
import type { eventLogSettings, kafkaSettings, platformSettings, redisSettings, SettingsOf } from '@breakwater/config';
import type { Partition } from '@breakwater/twin';
import type { ChangeFeed, EventLog, Lane, PartitionHolders, PartitionMembership } from '@breakwater/twin-runtime';

/** What an engine is chosen and made with. */
export type LogEngineSettings = SettingsOf<typeof eventLogSettings> &
  SettingsOf<typeof kafkaSettings> &
  Pick<SettingsOf<typeof platformSettings>, 'eventLog' | 'partitionCount'>;

export type RedisConnection = Awaited<ReturnType<typeof connectRedis>>;

/** The log on connections of its own. */
export interface OpenLog extends EventLog {
  /** The same log for somebody who waits in reads: only one may do so at a time. */
  reader(): OpenLog;
  close(): void;
}

/** The feed of changes on connections of its own. */
export interface OpenChangeFeed extends ChangeFeed {
  close(): void;
}

/** How far back live views may ask, and what a feed that is memory keeps at all. */
export type ChangeFeedSettings = Pick<SettingsOf<typeof redisSettings>, 'changesEntriesKept' | 'changesBytesKept'>;

export interface LagMarks {
  readonly intervalMs: number;
  mark(positions: ReadonlyMap<Partition, number>): Promise<void>;
}

/**
 * The engine of the event log that `EVENT_LOG` names, and who shares its partitions out. What the parts of the platform
 * see of it is the same for each of them.
 */
export interface LogEngine {
  /** Refuses a log whose partitions are not those of the installation. */
  check(): Promise<void>;
  /** On this connection, where the log is in Redis. */
  open(redis: RedisConnection): OpenLog;
  /** Beside the log: on this connection where that is in Redis, in a topic of Kafka where it is there. */
  openChanges(redis: RedisConnection, settings: ChangeFeedSettings): OpenChangeFeed;
  /** A worker's part in the group that shares the shards out. */
  membershipOf(redis: RedisConnection, member: { memberId: string; leaseTtlMs: number }): PartitionMembership;
  /** Who works on which partition, for those who only want to know. */
  holders(redis: RedisConnection): PartitionHolders;
  /** Where a consumer that is no member shows how far it has come. Null where nobody but the platform looks. */
  lagMarks(consumer: string): LagMarks | null;
  /** Whether the platform forgets what every consumer has had; otherwise the engine's own retention does. */
  readonly isTrimmedByUs: boolean;
  close(): Promise<void>;
}

/** What a partition of each lane may hold, in bytes. Null where only the engine knows, as with Kafka's disks. */
export type LaneBudgets = Readonly<Record<Lane, number | null>>;
