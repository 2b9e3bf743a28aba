import { assert, type Partition } from '@breakwater/twin';
import type { AppendRequest, Lane } from '@breakwater/twin-runtime';

import { joinLines, LineArena, type StoredLine } from './line-arena.ts';
import { type FrameLimits, type QueueShare, type SharedRecord, WaitingRecords } from './waiting-records.ts';

/** What became of one record. `failed`: it is not known to be durable, so nobody may be told that it is. */
export type AppendOutcome =
  | { readonly kind: 'durable'; readonly appendedAtMs: number }
  | { readonly kind: 'shed'; readonly reason: 'queue' | 'memory' }
  | {
      readonly kind: 'failed';
      readonly detail: string;
      /** It was sent to the log, whose answer nobody waits for any more: the record may be in it. */
      readonly mayBeLogged?: boolean;
    };

/** Is told, once, what became of a record. */
export interface AppendWaiter {
  appended(outcome: AppendOutcome): void;
}

export interface WaitingRecord extends StoredLine, SharedRecord {
  readonly waiter: AppendWaiter;
}

/** A record that comes to the queue. */
export interface NewRecord {
  /** As text, or in UTF-8. */
  readonly line: string | Uint8Array;
  readonly bytes: number;
  readonly share: QueueShare;
  readonly waiter: AppendWaiter;
}

/** Records under one sequence number. Once cut, a frame is only ever sent again as it is. */
export interface Frame {
  readonly request: AppendRequest;
  readonly records: readonly WaitingRecord[];
  readonly bytes: number;
  attempts: number;
  /** Some attempt ended without an answer: the frame may be in the log. */
  outcomeUnknown: boolean;
  /** The start of the first attempt without an answer since the last answer. */
  unansweredSinceMs: number | null;
  retryAtMs: number;
}

/**
 * The records that wait for one lane of one partition. One frame at a time is on its way, so that sequence numbers are
 * contiguous and a device's records stand in the log in the order in which they came.
 */
export class LaneQueue {
  readonly lane: Lane;
  readonly partition: Partition;
  frame: Frame | null = null;
  flying = false;
  readonly #lines = new LineArena();
  readonly #waiting = new WaitingRecords<WaitingRecord>();
  #nextSeq = 1;

  constructor(lane: Lane, partition: Partition) {
    this.lane = lane;
    this.partition = partition;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** The line is copied. */
  push({ line, bytes, share, waiter }: NewRecord): void {
    const { block, start } = this.#lines.store(line, bytes);
    this.#waiting.push({ block, start, bytes, share, waiter });
  }

  /** The frame to be sent now: the one that is to be repeated, or a new one, or none. */
  frameDue(producerId: string, limits: FrameLimits, nowMs: number): Frame | null {
    if (this.flying) return null;
    if (this.frame === null && this.#waiting.length > 0) this.frame = this.#cut(producerId, limits);
    return this.frame !== null && this.frame.retryAtMs <= nowMs ? this.frame : null;
  }

  /** The frame is in the log: its number is used up. */
  confirm(): void {
    assert(this.frame !== null, 'only a frame that was cut can be confirmed');
    this.frame = null;
    this.#nextSeq += 1;
  }

  /**
   * The log refused the frame and keeps nothing of it: the next frame gets its number. What waits behind it is given up
   * with it, or a device's later record would get into the log before its earlier one is sent again.
   */
  drop(): readonly WaitingRecord[] {
    assert(this.frame !== null && !this.frame.outcomeUnknown, 'a number that may be in the log is never given again');
    const dropped = [...this.frame.records, ...this.#waiting.takeAll()];
    this.frame = null;
    return dropped;
  }

  /** Starts anew, for another producer id, and answers everything that was not settled, by whether it was ever sent. */
  reset(): { readonly sent: readonly WaitingRecord[]; readonly unsent: readonly WaitingRecord[] } {
    const left = { sent: this.frame?.records ?? [], unsent: this.#waiting.takeAll() };
    this.frame = null;
    this.flying = false;
    this.#nextSeq = 1;
    return left;
  }

  #cut(producerId: string, limits: FrameLimits): Frame {
    const records = this.#waiting.take(limits);
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
    const request: AppendRequest = {
      lane: this.lane,
      partition: this.partition,
      producerId,
      seq: this.#nextSeq,
      body: joinLines(records),
      recordCount: records.length,
    };
    return { request, records, bytes, attempts: 0, outcomeUnknown: false, unansweredSinceMs: null, retryAtMs: 0 };
  }
}
