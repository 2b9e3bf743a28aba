import type { LogId, Offset, Partition } from '@breakwater/twin';

/** `control` carries what commands, applications and sessions do; `telemetry` is the bulk. Order is within a lane. */
export const LANES = ['control', 'telemetry'] as const;
export type Lane = (typeof LANES)[number];

/**
 * Where a record comes from, and which share of the telemetry lane's reserve it may take when the budget of the lane
 * is used up. What devices and applications send ends at the budget, and is told so. What the platform itself has to
 * say of records that it has taken already finds room above it, or a full telemetry lane would in the end stop control.
 * What a device can bring about with nonsense never has all of it.
 */
export const RESERVE_SHARES = { inbound: 0, deadLetter: 0.5, commandHistory: 1 } as const;
export type RecordSource = keyof typeof RESERVE_SHARES;

/** A frame: records that are appended, and become durable, as one. Record lines never hold a newline. */
export interface AppendRequest {
  readonly lane: Lane;
  readonly partition: Partition;
  /** One life of one appending process; fenced as a whole when its lease is lost. */
  readonly producerId: string;
  /** From 1 and contiguous per (producer, lane, partition). */
  readonly seq: number;
  /** The record lines of the frame, joined by `\n`, without one at the end; as text, or in UTF-8. */
  readonly body: string | Buffer;
  readonly recordCount: number;
  /** `inbound` when it is not said. */
  readonly source?: RecordSource;
}

export type AppendResult =
  /** Durable. A repeated seq answers the stored offset with `repeated: true`. */
  | {
      readonly kind: 'appended';
      readonly firstOffset: Offset;
      readonly appendedAtMs: number;
      readonly repeated: boolean;
    }
  | { readonly kind: 'refused'; readonly code: 'LANE_FULL' | 'PRODUCER_FENCED' | 'SEQUENCE_GAP' | 'FRAME_TOO_LARGE' }
  /** Others of the same call were answered: the log lies on several nodes, and one of them is away. */
  | { readonly kind: 'unknown'; readonly code: 'OUTCOME_UNKNOWN'; readonly error: Error };

/** One stored frame. `body` holds `lastOffset - firstOffset + 1` lines. */
export interface LogFrame {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly appendedAtMs: number;
  readonly body: Buffer;
}

export interface ReadRequest {
  readonly lane: Lane;
  readonly partition: Partition;
  /** The next offset to be delivered. Frames start at or before it: the reader skips what it has had. */
  readonly from: Offset;
}

export interface ReadLimits {
  readonly framesMaxPerPartition: number;
  /** How long to wait when there is nothing. 0 answers at once. */
  readonly waitMs: number;
  /**
   * Nothing may mean that a part of the log that is away has not answered. For who reads again and again, and must not
   * be held up by it. Left out, an answer of nothing to a `waitMs` of 0 means that there is nothing.
   */
  readonly mayMiss?: boolean;
}

export interface ReadBatch {
  readonly lane: Lane;
  readonly partition: Partition;
  readonly frames: readonly LogFrame[];
}

export interface LogBounds {
  /** The oldest offset that is still kept. */
  readonly first: Offset;
  /** The offset that the next record will get. */
  readonly end: Offset;
  /** 0 of a log that has no budgets, and does not count. */
  readonly bytes: number;
}

/** What a log was before it was restored from a backup. */
export interface LogOrigin {
  readonly logId: LogId;
  /** By partition: where its telemetry lane ended in the backup. What lay behind that is gone. */
  readonly ends: readonly number[];
}

/**
 * The durable log. What `append` answered as appended survives the kill of any process.
 *
 * `append` rejects its promise only when no outcome is known; repeating the same (producer, seq) is then safe, and so
 * it is for a single request whose outcome is `unknown`.
 * A read from an offset outside `bounds` rejects with `PlatformError` code `POSITION_OUT_OF_RANGE`, never skips.
 */
export interface EventLog {
  logId(): Promise<LogId>;
  /** One round trip for all requests; results stand in the order of the requests. Each request succeeds alone. */
  append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]>;
  /** Only partitions that have something are in the answer. One caller at a time per instance from `reader()`. */
  read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<readonly ReadBatch[]>;
  bounds(lane: Lane, partition: Partition): Promise<LogBounds>;
  /** Forgets whole frames below `before`. */
  trim(lane: Lane, partition: Partition, before: Offset): Promise<void>;
  /**
   * An idle producer that lives is not forgotten: to be called now and then while it appends nothing, or its next
   * append may be refused as a gap. It neither makes a producer known nor lifts a fence.
   */
  keepProducer(producerId: string, partitions: readonly Partition[]): Promise<void>;
  /**
   * After this, every append of that producer is refused as `PRODUCER_FENCED`: by a log that keeps producers itself to
   * whoever appends, by one on Kafka to this process (ADR 0011).
   */
  fenceProducer(producerId: string, partitions: readonly Partition[]): Promise<void>;
}
