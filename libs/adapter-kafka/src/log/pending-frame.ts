import type { AppendResult } from '@breakwater/twin-runtime';

import type { PartitionSequence } from './partition-sequence.ts';
import type { TopicFrame } from './topic-frame.ts';

/**
 * A frame whose outcome is not known yet. Its batch is made once: every attempt sends the same bytes with the same
 * sequence numbers, by which Kafka knows that it has them already.
 */
export class PendingFrame {
  readonly request: TopicFrame;
  readonly body: Buffer;
  readonly sequence: PartitionSequence;
  /** Settles only when the outcome is known, or never will be because nobody may hear of it any more. */
  readonly outcome: Promise<AppendResult>;
  bytes: Buffer | null = null;
  encodedAtMs = 0;
  attempts = 0;
  /** It is on its way, or waits a moment for its next attempt. */
  isUnderWay = false;
  isSettled = false;
  /** What `outcome` was settled with; null before that, and when nobody may hear of it any more. */
  result: AppendResult | null = null;
  /** Until then somebody waits for it; later it rests until it is asked for again. 0: nobody has asked yet. */
  wantedUntilMs = 0;
  trouble = 'it was not answered yet';
  #resolve!: (result: AppendResult) => void;
  #reject!: (reason: Error) => void;

  constructor(request: TopicFrame, body: Buffer, sequence: PartitionSequence) {
    this.request = request;
    this.body = body;
    this.sequence = sequence;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever waits hears of it; nobody may be waiting any more.
    this.outcome.catch(() => undefined);
  }

  settle(result: AppendResult): void {
    this.isSettled = true;
    this.result = result;
    this.#resolve(result);
  }

  abandon(reason: Error): void {
    this.isSettled = true;
    this.trouble = reason.message;
    this.#reject(reason);
  }
}
