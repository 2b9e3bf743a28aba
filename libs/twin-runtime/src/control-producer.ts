import type { Offset, Partition } from '@breakwater/twin';

import { PlatformError } from './platform-error.ts';
import type { Clock } from './ports/clock.ts';
import type { AppendResult, EventLog, Lane, RecordSource } from './ports/event-log.ts';

type KnownResult = Exclude<AppendResult, { kind: 'unknown' }>;

/** What happened to one record. */
export type RecordAppend =
  | { readonly kind: 'appended'; readonly offset: Offset; readonly appendedAtMs: number }
  | Extract<AppendResult, { kind: 'refused' }>;

export interface ControlProducerOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Random, one life of one process: two producers must never share it. */
  readonly producerId: string;
  /** Of all its records: what a full lane still takes of them. */
  readonly source?: RecordSource;
  /** How often one frame is sent while its outcome is unknown. */
  readonly attemptsMax?: number;
  /** Records of one frame; the rest waits for the next one. */
  readonly frameRecordsMax?: number;
  readonly frameBytesMax?: number;
  /** Records that may wait per lane and partition; more are refused as `LANE_FULL`. */
  readonly queueLengthMax?: number;
}

interface Waiting {
  readonly line: string;
  readonly resolve: (result: RecordAppend) => void;
  readonly reject: (error: unknown) => void;
}

interface Queue {
  readonly lane: Lane;
  readonly partition: Partition;
  readonly waiting: Waiting[];
  generation: number;
  lastSeq: number;
  running: boolean;
}

const ATTEMPTS_MAX = 5;
const FRAME_RECORDS_MAX = 256;
const FRAME_BYTES_MAX = 512 * 1024;
const QUEUE_LENGTH_MAX = 4_096;
const PAUSE_MS_MIN = 50;

/**
 * Appends single records at a low rate: API writes, due timers, lost sessions.
 *
 * A record is appended at most once. Per lane and partition one frame is under way at a time, and a frame whose outcome
 * is unknown is sent again under the same sequence number, which the log recognises. When that fails too often, its
 * records end as unknown and the queue goes on as a new producer. So it does when the frame is refused after an attempt
 * of unknown outcome: the old number is never given to other records, or the log would take them for the lost frame and
 * drop them.
 *
 * The log forgets a producer that was idle for days, and then refuses its next number. That is no fault of the record:
 * when the refusal is the first word about a frame, nothing of it is in the log, and it goes once more as a new
 * producer's. After an attempt of unknown outcome the same refusal says nothing of the kind, and is handed on.
 */
export class ControlProducer {
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly #producerId: string;
  readonly #source: RecordSource;
  readonly #attemptsMax: number;
  readonly #frameRecordsMax: number;
  readonly #frameBytesMax: number;
  readonly #queueLengthMax: number;
  readonly #queues = new Map<string, Queue>();

  constructor(options: ControlProducerOptions) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#producerId = options.producerId;
    this.#source = options.source ?? 'inbound';
    this.#attemptsMax = options.attemptsMax ?? ATTEMPTS_MAX;
    this.#frameRecordsMax = options.frameRecordsMax ?? FRAME_RECORDS_MAX;
    this.#frameBytesMax = options.frameBytesMax ?? FRAME_BYTES_MAX;
    this.#queueLengthMax = options.queueLengthMax ?? QUEUE_LENGTH_MAX;
  }

  /** Rejects with `BACKEND_UNAVAILABLE` when the outcome stays unknown: the record may or may not be in the log. */
  append(lane: Lane, partition: Partition, line: string): Promise<RecordAppend> {
    const queue = this.#queueOf(lane, partition);
    if (queue.waiting.length >= this.#queueLengthMax) return Promise.resolve({ kind: 'refused', code: 'LANE_FULL' });
    const appended = new Promise<RecordAppend>((resolve, reject) => queue.waiting.push({ line, resolve, reject }));
    if (!queue.running) {
      queue.running = true;
      void this.#drain(queue);
    }
    return appended;
  }

  #queueOf(lane: Lane, partition: Partition): Queue {
    const name = `${lane}:${partition}`;
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { lane, partition, waiting: [], generation: 0, lastSeq: 0, running: false };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  async #drain(queue: Queue): Promise<void> {
    // The first record waits for the end of the running tick, so that writes that start together share a frame.
    await Promise.resolve();
    while (queue.waiting.length > 0) {
      const frame = this.#nextFrame(queue);
      try {
        settle(frame, await this.#appendFrame(queue, frame));
      } catch (error) {
        for (const record of frame) record.reject(error);
      }
    }
    queue.running = false;
  }

  #nextFrame(queue: Queue): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { line } of queue.waiting) {
      bytes += Buffer.byteLength(line) + 1;
      if (count > 0 && (count >= this.#frameRecordsMax || bytes > this.#frameBytesMax)) break;
      count += 1;
    }
    return queue.waiting.splice(0, count);
  }

  async #appendFrame(queue: Queue, frame: readonly Waiting[]): Promise<KnownResult> {
    const body = frame.map(({ line }) => line).join('\n');
    const first = await this.#appendAs(queue, body, frame.length);
    if (!isDisowned(first.result) || first.outcomeWasUnknown) return first.result;
    return (await this.#appendAs(queue, body, frame.length)).result;
  }

  /** One frame under one number, sent until its outcome is known or that takes too often. */
  async #appendAs(
    queue: Queue,
    body: string,
    recordCount: number,
  ): Promise<{ readonly result: KnownResult; readonly outcomeWasUnknown: boolean }> {
    const { lane, partition, generation } = queue;
    const producerId = generation === 0 ? this.#producerId : `${this.#producerId}.${generation}`;
    const source = this.#source;
    const request = { lane, partition, producerId, seq: queue.lastSeq + 1, body, recordCount, source };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const [result] = await this.#log.append([request]);
        if (result === undefined) throw new PlatformError('INTERNAL', 'the log gave no answer to an append');
        if (result.kind === 'unknown') throw result.error;
        const outcomeWasUnknown = attempt > 1;
        if (result.kind === 'appended') queue.lastSeq = request.seq;
        else if (outcomeWasUnknown || isDisowned(result)) startGeneration(queue);
        return { result, outcomeWasUnknown };
      } catch (error) {
        if (attempt < this.#attemptsMax) {
          await this.#clock.sleep(PAUSE_MS_MIN * 2 ** (attempt - 1));
          continue;
        }
        startGeneration(queue);
        throw new PlatformError('BACKEND_UNAVAILABLE', 'it is unknown whether the event log took the record', {
          retryable: true,
          cause: error,
        });
      }
    }
  }
}

/** The log knows nothing of this producer, or nothing more: under this name it takes no other record. */
function isDisowned(result: KnownResult): boolean {
  return result.kind === 'refused' && (result.code === 'PRODUCER_FENCED' || result.code === 'SEQUENCE_GAP');
}

function startGeneration(queue: Queue): void {
  queue.generation += 1;
  queue.lastSeq = 0;
}

function settle(frame: readonly Waiting[], result: KnownResult): void {
  frame.forEach((record, index) => {
    record.resolve(
      result.kind === 'refused'
        ? result
        : { kind: 'appended', offset: (result.firstOffset + index) as Offset, appendedAtMs: result.appendedAtMs },
    );
  });
}
