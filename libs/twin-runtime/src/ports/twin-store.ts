import type { DeviceKey, Epoch, LogId, Offset, Partition, RecordOutcome } from '@breakwater/twin';

import type { Lane } from './event-log.ts';

/** The next offset to be applied, per lane. */
export type LanePositions = Readonly<Record<Lane, Offset>>;
export type OutcomeCounts = Readonly<Partial<Record<RecordOutcome, number>>>;
/** Outcomes by tenant. Beyond a number of tenants the rest stand together under a name that no tenant can have. */
export type TenantCounts = Readonly<Record<string, OutcomeCounts>>;

export interface Ownership {
  readonly epoch: Epoch;
  readonly positions: LanePositions;
  /** The log that the positions belong to; null before the first commit. */
  readonly logId: LogId | null;
  /** How many ownership periods in a row, this one included, started at exactly these positions. */
  readonly attempts: number;
  /** Tenants that the ledger of this partition has lines of. */
  readonly tenants: readonly string[];
}

/**
 * A twin as stored. `revision` counts its writes; 0 and `null` mean that nothing is stored. To the store a state is
 * text of which all after the first newline, the telemetry, may be written alone: it changes with every measurement.
 */
export interface StoredTwin {
  readonly key: DeviceKey;
  readonly revision: number;
  readonly state: string | null;
}

export type TwinWrite = {
  readonly key: DeviceKey;
  /** The revision that the twin was loaded with, or got by this owner's last commit. */
  readonly expectedRevision: number;
} & (
  | {
      /** `null` deletes the twin. */
      readonly state: string | null;
      readonly telemetry?: never;
    }
  | {
      /** What stands after the first newline of the state from now on; what stands before it stays. */
      readonly telemetry: string;
      readonly state?: never;
    }
);

/** What stands between the two sections of a state. */
export const SECTION_END = '\n';

/** Something to be done after the commit, at least once. The id is the same however often it is done. */
export interface OutboxEntry {
  /** `<lane>:<offset>:<index>` of the record that caused it. */
  readonly id: string;
  readonly kind: 'downlink' | 'change' | 'deadLetter' | 'command';
  readonly key: DeviceKey;
  readonly payload: string;
}

export interface TimerWrite {
  readonly key: DeviceKey;
  readonly timerId: string;
  readonly generation: number;
  /** `null` removes the timer, unless a higher generation was set meanwhile: a late firing must not take it away. */
  readonly dueAtMs: number | null;
}

export interface DueTimer {
  readonly key: DeviceKey;
  readonly timerId: string;
  readonly generation: number;
  readonly dueAtMs: number;
}

/** One atomic step of a shard: everything in it becomes durable together, or nothing does. */
export interface ShardCommit {
  readonly partition: Partition;
  readonly epoch: Epoch;
  readonly logId: LogId;
  readonly expected: LanePositions;
  readonly next: LanePositions;
  readonly twins: readonly TwinWrite[];
  readonly outbox: readonly OutboxEntry[];
  readonly timers: readonly TimerWrite[];
  /** Added to the ledger: outcome counts by lane, whose sum is `next - expected`. */
  readonly counts: Readonly<Record<Lane, OutcomeCounts>>;
  /** The same by tenant: what each lane's tenants have in `counts` together. */
  readonly tenants: Readonly<Record<Lane, TenantCounts>>;
}

export type CommitResult =
  | { readonly kind: 'committed' }
  | {
      readonly kind: 'refused';
      readonly code: 'STALE_EPOCH' | 'POSITION_MISMATCH' | 'REVISION_MISMATCH' | 'LOG_CHANGED' | 'COMMIT_TOO_LARGE';
    }
  /** Others of the same call were answered: the store lies on several nodes, and one of them is away. */
  | { readonly kind: 'unknown'; readonly code: 'OUTCOME_UNKNOWN'; readonly error: Error };

/** One process's attempt to apply one record. */
export interface RecordAttempt {
  readonly lane: Lane;
  readonly offset: Offset;
  /** One life of one process. */
  readonly processId: string;
}

export interface ShardLedger {
  readonly positions: LanePositions;
  readonly counts: Readonly<Record<Lane, OutcomeCounts>>;
}

/** The ledger of one partition in full, read at one moment. */
export interface TenantLedger extends ShardLedger {
  /** The log that the positions belong to; null before the first commit. */
  readonly logId: LogId | null;
  readonly tenants: Readonly<Record<Lane, TenantCounts>>;
}

/** Twins of one partition with the positions that produced them, as they were at one moment. */
export interface ShardCopy {
  readonly logId: LogId | null;
  readonly positions: LanePositions;
  readonly twins: readonly StoredTwin[];
}

/** Takes copies for whoever wants to check the twins against the log. */
export interface TwinCopier {
  copy(partition: Partition, keys: readonly DeviceKey[]): Promise<ShardCopy>;
}

/** Where twins live, with the positions that produced them. */
export interface TwinStore {
  /** Starts a new ownership period. Every commit under an older epoch is refused from now on. */
  takeOwnership(partition: Partition, ownerId: string): Promise<Ownership>;
  /**
   * Counts, durably, one more attempt to apply the record at this place, and answers the count; another place starts
   * again at 1, and repeated calls of one process count once: it still lives. Called only while a shard goes one record
   * at a time, so that a record that kills its process is found, and an idle shard that merely changed hands is not
   * mistaken for one. Answers 0 to a stale epoch, and counts nothing.
   */
  noteAttempt(partition: Partition, epoch: Epoch, attempt: RecordAttempt): Promise<number>;
  /** One round trip; the answers stand in the order of the keys. */
  load(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly StoredTwin[]>;
  /** One round trip for the commits of several shards; each is atomic alone. A rejected promise: no outcome known. */
  commit(commits: readonly ShardCommit[]): Promise<readonly CommitResult[]>;
  /** What was committed and not yet confirmed, oldest first. */
  outbox(partition: Partition, limit: number): Promise<readonly OutboxEntry[]>;
  confirmOutbox(partition: Partition, ids: readonly string[]): Promise<void>;
  dueTimers(partition: Partition, nowMs: number, limit: number): Promise<readonly DueTimer[]>;
  ledger(partition: Partition): Promise<ShardLedger>;
  /** Dearer than `ledger`, which is asked many times a second. */
  tenantLedger(partition: Partition): Promise<TenantLedger>;
  /** For readers that own nothing (the API): the newest stored state of one twin. */
  read(partition: Partition, key: DeviceKey): Promise<StoredTwin>;
}
