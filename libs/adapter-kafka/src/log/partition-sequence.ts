import { assert, type Offset, type Partition } from '@breakwater/twin';
import type { AppendResult } from '@breakwater/twin-runtime';

import type { TopicRole } from '../topic-names.ts';
import { PendingFrame } from './pending-frame.ts';
import type { TopicFrame } from './topic-frame.ts';

export type RefusalCode = Extract<AppendResult, { kind: 'refused' }>['code'];
type Appended = Extract<AppendResult, { kind: 'appended' }>;

/** As many of a producer's last appends can be asked for again, and as many may be under way. */
export const REMEMBERED_SEQS = 16;
/** Kafka's sequence numbers count records, and start again from 0 behind this. */
const SEQUENCE_RANGE = 2 ** 31;

/**
 * What one producer appends to one lane of one partition: numbered without gaps by the producer, and by us towards
 * Kafka. At most one batch of it is on its way. So a batch whose answer was lost is always the newest that Kafka may
 * have of this producer, and is recognised when it comes again; Kafka remembers five.
 */
export class PartitionSequence {
  readonly lane: TopicRole;
  readonly partition: Partition;
  readonly producerId: string;
  /** The number that Kafka expects of the next batch. */
  nextKafkaSequence = 0;
  readonly #pending: PendingFrame[] = [];
  readonly #remembered = new Map<number, Appended>();
  #lastSeq = 0;
  #brokenBy: RefusalCode | null = null;

  constructor({ lane, partition, producerId }: Pick<TopicFrame, 'lane' | 'partition' | 'producerId'>) {
    this.lane = lane;
    this.partition = partition;
    this.producerId = producerId;
  }

  /** The frame whose turn it is. */
  get head(): PendingFrame | null {
    return this.#pending[0] ?? null;
  }

  /** Takes a new frame if there is room, finds the one that is repeated, or says what is known already. */
  accept(request: TopicFrame, body: Buffer, hasRoom: boolean): PendingFrame | AppendResult {
    if (this.#brokenBy !== null) return { kind: 'refused', code: this.#brokenBy };
    const known = this.#remembered.get(request.seq);
    if (known !== undefined) return { ...known, repeated: true };
    const pending = this.#pending.find((frame) => frame.request.seq === request.seq);
    if (pending !== undefined) return pending;
    if (request.seq !== this.#lastSeq + this.#pending.length + 1) return { kind: 'refused', code: 'SEQUENCE_GAP' };
    if (!hasRoom || this.#pending.length === REMEMBERED_SEQS) return { kind: 'refused', code: 'LANE_FULL' };
    const frame = new PendingFrame(request, body, this);
    this.#pending.push(frame);
    return frame;
  }

  /** The head is in the log. */
  confirm(frame: PendingFrame, firstOffset: number, appendedAtMs: number): void {
    const appended: Appended = {
      kind: 'appended',
      firstOffset: firstOffset as Offset,
      appendedAtMs,
      repeated: false,
    };
    assert(frame === this.head, 'a producer appends to a partition in its order');
    this.#pending.shift();
    this.#lastSeq = frame.request.seq;
    this.nextKafkaSequence = (this.nextKafkaSequence + frame.request.recordCount) % SEQUENCE_RANGE;
    this.#remembered.set(frame.request.seq, appended);
    this.#remembered.delete(frame.request.seq - REMEMBERED_SEQS);
    frame.settle(appended);
  }

  /** The head is not in the log, and its number is free again; what stands behind it has a gap before it. */
  refuse(frame: PendingFrame, code: RefusalCode): void {
    assert(frame === this.head, 'a producer appends to a partition in its order');
    frame.settle({ kind: 'refused', code });
    for (const later of this.#pending.splice(0).slice(1)) later.settle({ kind: 'refused', code: 'SEQUENCE_GAP' });
  }

  /** Nothing more is taken under these numbers. */
  breakOff(code: RefusalCode): void {
    this.#brokenBy = code;
    for (const frame of this.#pending.splice(0)) frame.settle({ kind: 'refused', code });
  }

  /** Nobody asks for its frames any more. They may be in the log, so nothing else is taken under these numbers. */
  giveUp(reason: Error): void {
    this.#brokenBy = 'SEQUENCE_GAP';
    this.abandon(reason);
  }

  abandon(reason: Error): void {
    for (const frame of this.#pending.splice(0)) frame.abandon(reason);
  }
}
