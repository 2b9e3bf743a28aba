import type { Partition } from '@breakwater/twin';
import { type LogFrame, PlatformError } from '@breakwater/twin-runtime';

import type { TopicRole } from '../topic-names.ts';
import type { FetchedPartition } from './fetch-request.ts';
import { KAFKA_CODES } from './kafka-codes.ts';
import type { TopicReadBatch, TopicReadRequest } from './topic-frame.ts';

/**
 * Where one partition is read, and what was fetched of it beyond what was asked for.
 *
 * Offsets are contiguous: the first frame of an answer holds the offset that was asked for, and each further one
 * follows the one before. Kafka promises neither, so both are checked, and a hole is an error and never passed over.
 */
export class ReadPosition<Role extends TopicRole> {
  readonly lane: Role;
  readonly partition: Partition;
  /** The next offset to be fetched. */
  next: number;
  /** When a fetch last said that there is nothing at `next`. */
  seenEmptyAtMs = -Infinity;
  /** When a fetch last brought something. */
  broughtAtMs = 0;
  /** Since when a fetch of it is under way that its broker may hold until something comes. */
  heldSinceMs: number | null = null;
  /** When it was last asked for. */
  askedAtMs = 0;
  troubleSinceMs: number | null = null;
  #frames: LogFrame[] = [];
  #error: Error | null = null;

  constructor({ lane, partition, from }: TopicReadRequest<Role>) {
    this.lane = lane;
    this.partition = partition;
    this.next = from;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0 && this.#error === null;
  }

  /** Goes to an offset; what is held of it and behind it is kept. */
  moveTo(from: number): void {
    while (this.#frames.length > 0 && this.#frames[0]!.lastOffset < from) this.#frames.shift();
    const [first] = this.#frames;
    if (first !== undefined && first.firstOffset <= from) return;
    if (first === undefined && this.next === from && this.#error === null) return;
    this.#frames = [];
    this.#error = null;
    this.seenEmptyAtMs = -Infinity;
    this.next = from;
  }

  /** @throws what became of the last fetch, once */
  take(framesMax: number): TopicReadBatch<Role> | null {
    if (this.#frames.length > 0) {
      return { lane: this.lane, partition: this.partition, frames: this.#frames.splice(0, framesMax) };
    }
    const error = this.#error;
    this.#error = null;
    if (error !== null) throw error;
    return null;
  }

  fail(error: Error): void {
    this.#error = error;
  }

  /** Takes what was fetched from `from`. False when the answer means that somebody else has to be asked. */
  fetched(from: number, answer: FetchedPartition, nowMs: number): boolean {
    // It was moved while the answer was on its way.
    if (from !== this.next) return true;
    if (answer.errorCode === KAFKA_CODES.offsetOutOfRange) {
      this.fail(this.#outOfRange('the log does not hold it'));
      return true;
    }
    if (answer.errorCode !== KAFKA_CODES.none) return false;
    this.troubleSinceMs = null;
    const { frames, error } = answer.decode();
    // An answer that is full leaves partitions out; only at the end of the log nothing means that there is nothing.
    if (frames.length === 0 && from >= answer.end && error === null) this.seenEmptyAtMs = nowMs;
    if (frames.length > 0) this.broughtAtMs = nowMs;
    for (const frame of frames) this.#add(frame, from);
    if (error !== null) this.#error ??= this.#unreadable(error);
    return true;
  }

  #add(frame: LogFrame, from: number): void {
    if (this.#error !== null) return;
    const isFirst = this.next === from && frame.firstOffset <= from && frame.lastOffset >= from;
    if (!isFirst && frame.firstOffset !== this.next) {
      this.fail(this.#outOfRange(`the log goes on at ${frame.firstOffset}, and not at ${this.next}`));
      return;
    }
    this.#frames.push(frame);
    this.next = frame.lastOffset + 1;
  }

  /** Says where, so that whoever reads several partitions can go on with the others. */
  #unreadable(cause: Error): PlatformError {
    const { lane, partition, next } = this;
    return new PlatformError('LOG_BATCH_UNREADABLE', `lane ${lane}, partition ${partition}: ${cause.message}`, {
      cause,
      details: { lane, partition, from: next },
    });
  }

  #outOfRange(reason: string): PlatformError {
    const { lane, partition, next } = this;
    return new PlatformError(
      'POSITION_OUT_OF_RANGE',
      `offset ${next} of lane ${lane}, partition ${partition} cannot be read: ${reason}`,
      { details: { lane, partition, from: next } },
    );
  }
}
