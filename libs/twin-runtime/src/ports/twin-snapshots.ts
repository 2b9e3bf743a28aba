import type { DeviceKey, LogId, Partition } from '@breakwater/twin';

import type { LanePositions, StoredTwin, TimerWrite } from './twin-store.ts';

/** Twins of one partition with all that its shard keeps beside them, as they were at one moment. */
export interface PartitionSnapshot {
  readonly partition: Partition;
  readonly logId: LogId;
  /** The next offsets that were to be applied; all before them is in these twins, in their ledger and their outbox. */
  readonly positions: LanePositions;
  readonly twins: readonly StoredTwin[];
  /** Ledger, epochs and outbox, in a form of the store's own; only who wrote it reads it. */
  readonly shard: string;
}

/** A pass over the twins of one partition that were written since the one before. */
export interface SnapshotRound {
  readonly number: number;
  readonly logId: LogId;
  /** Where the shard was when the round began: what was written before is in this round, or in one before it. */
  readonly positions: LanePositions;
  /** Where it was when the last round that ended had begun; null before the first. */
  readonly covered: { readonly logId: LogId; readonly positions: LanePositions } | null;
}

/**
 * The twin store's side of snapshots: it knows which twins were written since the last round. A round that is cut off
 * goes on with the next call; two that work on one round at a time do it twice, which changes nothing.
 */
export interface SnapshotSource {
  /** Null when nothing was ever committed there. */
  beginRound(partition: Partition): Promise<SnapshotRound | null>;
  /** Twins of the round, some perhaps twice. */
  changedKeys(partition: Partition): AsyncIterable<readonly DeviceKey[]>;
  /** All twins, some perhaps twice. */
  allKeys(partition: Partition): AsyncIterable<readonly DeviceKey[]>;
  snapshot(partition: Partition, keys: readonly DeviceKey[]): Promise<PartitionSnapshot>;
  /** Only once its twins are kept elsewhere. A round that somebody else ended meanwhile stays ended. */
  endRound(partition: Partition, number: number): Promise<void>;
}

/** What is kept of one partition, newest of each twin. */
export interface ArchivedPartition {
  /** Everything that was written before is in the archive: what came later is in the log from here on. */
  readonly floor: LanePositions;
  /** As it was after the newest of the twins. */
  readonly shard: { readonly positions: LanePositions; readonly text: string };
}

/** A twin as it was at these positions of its shard. */
export interface ArchivedTwin extends StoredTwin {
  readonly positions: LanePositions;
}

/** Where snapshots are kept, outside the twin store and outside the log. */
export interface SnapshotArchive {
  /** Null when no round of this log was ever completed. */
  find(partition: Partition, logId: LogId): Promise<ArchivedPartition | null>;
  twins(partition: Partition, logId: LogId): AsyncIterable<readonly ArchivedTwin[]>;
  /** Keeps the twins; `floor` when the round is complete with them. Repeated without effect. */
  save(snapshot: PartitionSnapshot, floor: LanePositions | null): Promise<void>;
}

export type RestoreStart =
  | { readonly kind: 'begun' }
  /** The store has the partition already. */
  | { readonly kind: 'there' }
  /** Another restorer is at it, or was lately: for so long it is taken to be alive, unless it writes again. */
  | { readonly kind: 'others'; readonly forMs: number };

/**
 * Puts a partition back into a store that has nothing of it. Nobody owns it from `begin` to `end`, and of two restorers
 * one has it: what the other writes is refused (`REBUILD_RUNNING`).
 */
export interface TwinRestorer {
  /** One that was begun and not ended begins again, from nothing. */
  begin(partition: Partition, options?: { readonly replace?: boolean }): Promise<RestoreStart>;
  /** Also says, with nothing to write, that this restorer is still at it. */
  write(partition: Partition, twins: readonly StoredTwin[], timers: readonly TimerWrite[]): Promise<void>;
  /** `shard` is what a snapshot holds of it. */
  end(partition: Partition, shard: string): Promise<void>;
}
