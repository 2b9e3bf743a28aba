import type { PublishAnswer, PublishOutcome, Session } from '@breakwater/mqtt-endpoint';

import type { Classified } from '../classify/classify.ts';
import type { DeviceSession } from '../session/device-session.ts';
import type { FlyingMessage, MessageMark } from '../session/resend-memory.ts';
import type { AppendOutcome, AppendWaiter } from './lane-queue.ts';

/** What of a message is still needed once its record waits for the log: least of all its payload. */
export interface Unanswered {
  readonly session: Session<DeviceSession>;
  readonly qos: 0 | 1 | 2;
  readonly receivedAtMs: number;
  /** Null for one that was good. */
  readonly dead: Extract<Classified, { kind: 'dead' }> | null;
}

/** Makes of what became of a record what its device is told. */
export interface Finisher {
  finish(message: Unanswered, outcome: AppendOutcome): PublishOutcome;
}

export interface AppendingMessageOptions extends Unanswered {
  readonly answer: PublishAnswer;
  readonly mark: MessageMark;
}

/**
 * A message whose record waits for the log: for the batcher who is to be told, for the memory of resends what is on its
 * way. One object for all of it, since as many of them live at once as messages wait.
 */
export class AppendingMessage implements AppendWaiter, FlyingMessage, Unanswered, MessageMark {
  readonly session: Unanswered['session'];
  readonly qos: 0 | 1 | 2;
  readonly receivedAtMs: number;
  readonly dead: Unanswered['dead'];
  readonly sessionEpoch: number;
  readonly packetId: number;
  readonly digest: number;
  readonly messageId: string;
  readonly #finisher: Finisher;
  readonly #answer: PublishAnswer;
  #listeners: ((outcome: AppendOutcome) => void)[] | null = null;

  constructor(finisher: Finisher, options: AppendingMessageOptions) {
    const { mark } = options;
    this.#finisher = finisher;
    this.#answer = options.answer;
    this.session = options.session;
    this.qos = options.qos;
    this.receivedAtMs = options.receivedAtMs;
    this.dead = options.dead;
    this.sessionEpoch = mark.sessionEpoch;
    this.packetId = mark.packetId;
    this.digest = mark.digest;
    this.messageId = mark.messageId;
  }

  get mark(): MessageMark {
    return this;
  }

  appended(outcome: AppendOutcome): void {
    this.session.identity.memory.settled(this, outcome);
    this.#answer.settle(this.#finisher.finish(this, outcome));
    for (const listener of this.#listeners ?? []) listener(outcome);
  }

  whenSettled(): Promise<AppendOutcome> {
    return new Promise((resolve) => {
      this.#listeners ??= [];
      this.#listeners.push(resolve);
    });
  }
}
