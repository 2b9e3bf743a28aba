import { randomUUID } from 'node:crypto';

import type { Partition } from '@breakwater/twin';
import { type AppendResult, type ChangeRecord, PlatformError } from '@breakwater/twin-runtime';

import type { TopicFrame } from '../log/topic-frame.ts';
import { changeId, encodeChangeLine } from './change-line.ts';

export interface ChangePublisherOptions {
  readonly partition: Partition;
  /** About how many bytes one batch holds; a change that is larger has a batch of its own. */
  readonly batchBytesMax: number;
  readonly append: (frames: readonly TopicFrame[]) => Promise<readonly AppendResult[]>;
}

type ChangeFrame = Pick<TopicFrame, 'body' | 'recordCount' | 'recordIds'>;

/**
 * What this process publishes in one partition, one batch after the other, in the order of the calls.
 *
 * A batch whose outcome is unknown goes first in the next call, as the same batch: nothing that comes later overtakes
 * it. Whoever published it publishes its changes once more, since he has heard of no success; that is what their ids
 * are for.
 */
export class ChangePublisher {
  readonly #options: ChangePublisherOptions;
  #producerId = randomUUID();
  /** The number of the last batch that is in the topic. */
  #seq = 0;
  #open: ChangeFrame | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(options: ChangePublisherOptions) {
    this.#options = options;
  }

  publish(changes: readonly ChangeRecord[]): Promise<void> {
    const published = this.#last.then(() => this.#publish(changes));
    this.#last = published.catch(() => undefined);
    return published;
  }

  async #publish(changes: readonly ChangeRecord[]): Promise<void> {
    if (this.#open !== null) await this.#append(this.#open);
    for (const frame of framesOf(changes, this.#options.batchBytesMax)) await this.#append(frame);
  }

  async #append(frame: ChangeFrame): Promise<void> {
    const { partition, append } = this.#options;
    this.#open = frame;
    const request = { lane: 'changes', partition, producerId: this.#producerId, seq: this.#seq + 1, ...frame } as const;
    const [result] = await append([request]);
    if (result === undefined || result.kind === 'unknown') throw notPublished(partition, 'the outcome is unknown');
    this.#open = null;
    if (result.kind === 'appended') {
      this.#seq += 1;
      return;
    }
    // Kafka, or this process, has forgotten the numbers. Here a repetition is harmless: it begins under new ones.
    if (result.code === 'SEQUENCE_GAP' || result.code === 'PRODUCER_FENCED') {
      this.#producerId = randomUUID();
      this.#seq = 0;
    }
    throw notPublished(partition, result.code);
  }
}

function framesOf(changes: readonly ChangeRecord[], bytesMax: number): ChangeFrame[] {
  const frames: ChangeFrame[] = [];
  let lines: string[] = [];
  let recordIds: string[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (lines.length > 0) frames.push({ body: lines.join('\n'), recordCount: lines.length, recordIds });
    lines = [];
    recordIds = [];
    bytes = 0;
  };
  for (const change of changes) {
    const line = encodeChangeLine(change);
    const lineBytes = Buffer.byteLength(line) + 1;
    if (bytes + lineBytes > bytesMax) flush();
    lines.push(line);
    recordIds.push(changeId(change));
    bytes += lineBytes;
  }
  flush();
  return frames;
}

function notPublished(partition: Partition, reason: string): PlatformError {
  const message = `changes of partition ${partition} were not published: ${reason}`;
  return new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true, details: { partition, reason } });
}
