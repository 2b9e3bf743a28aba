import type { DeviceKey, Partition } from '@breakwater/twin';

import type { LanePositions, OutcomeCounts, Ownership } from './ports/twin-store.ts';
import type { Lane } from './ports/event-log.ts';

/** Why a shard ended. Only `stopped` waits for an operator: everything else goes on, here or elsewhere. */
export type ShardEnd =
  | 'handedOff'
  | 'leaseLost'
  | 'commitRefused'
  | 'commitUnknown'
  /** Of its twins; those of other shards were there. */
  | 'loadFailed'
  | 'positionLost'
  | 'suspect'
  | 'stopped'
  /** The store has less than it has confirmed. */
  | 'storeWentBack';

export interface CommittedBatch {
  readonly partition: Partition;
  readonly records: number;
  readonly twins: number;
  readonly outbox: number;
  readonly counts: Readonly<Record<Lane, OutcomeCounts>>;
  readonly positions: LanePositions;
  /** Append time of the oldest record of the batch, and the region's time now: the age of the batch at its commit. */
  readonly oldestAppendedAtMs: number;
  /** The sender's times of those records that the decoder chose to be timed. */
  readonly sentAtMs: readonly number[];
  readonly atMs: number;
}

/** What a region tells of itself: for metrics, logs and live views. It decides nothing, and must not throw. */
export interface RegionObserver {
  shardStarted(partition: Partition, ownership: Ownership): void;
  shardEnded(partition: Partition, end: ShardEnd, error: unknown): void;
  committed(batch: CommittedBatch): void;
  /** Records that were applied and whose commit is not known to have gone through: they may be applied again. */
  redone(partition: Partition, records: number): void;
  /** Twins of which only telemetry changed, per commit, bounded. Best effort: for live views only. */
  telemetryChanged(partition: Partition, keys: readonly DeviceKey[]): void;
  deadLettered(partition: Partition, lane: Lane, code: string, error: unknown): void;
  /** Answers that a device left untaken and that are not repeated, so that its shard's outbox does not fill. */
  answersGivenUp(partition: Partition, count: number): void;
  /** Dead letters that found no room in the history, of a twin that has too many of them: their bytes are not kept. */
  deadLettersGivenUp(partition: Partition, count: number): void;
  /** Something failed and is tried again. */
  failed(where: string, error: unknown): void;
}

const ignore = (): void => {};

/** An observer that looks away; spread it to observe some things only. */
export const silentObserver: RegionObserver = {
  shardStarted: ignore,
  shardEnded: ignore,
  committed: ignore,
  redone: ignore,
  telemetryChanged: ignore,
  deadLettered: ignore,
  answersGivenUp: ignore,
  deadLettersGivenUp: ignore,
  failed: ignore,
};
