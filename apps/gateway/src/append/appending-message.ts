import type { PublishAnswer, PublishOutcome } from '@breakwater/mqtt-endpoint';

import type { Unanswered } from '../message-intake.ts';
import type { FlyingMessage, MessageMark } from '../session/resend-memory.ts';
import type { AppendOutcome, AppendWaiter } from './lane-queue.ts';

/** Makes of what became of a record what its device is told. */
export interface Finisher {
  finish(message: Unanswered, outcome: AppendOutcome): PublishOutcome;
}

/**
 * A message whose record waits for the log: for the batcher who is to be told, for the memory of resends what is on its
 * way. One object for all of it, since as many of them live at once as messages wait.
 */
export class AppendingMessage implements AppendWaiter, FlyingMessage {
  readonly mark: MessageMark;
  readonly #finisher: Finisher;
  readonly #answer: PublishAnswer;
  readonly #unanswered: Unanswered;
  #listeners: ((outcome: AppendOutcome) => void)[] | null = null;

  constructor(
    finisher: Finisher,
    message: { readonly mark: MessageMark; readonly answer: PublishAnswer; readonly unanswered: Unanswered },
  ) {
    this.#finisher = finisher;
    this.mark = message.mark;
    this.#answer = message.answer;
    this.#unanswered = message.unanswered;
  }

  appended(outcome: AppendOutcome): void {
    this.#unanswered.session.identity.memory.settled(this, outcome);
    this.#answer.settle(this.#finisher.finish(this.#unanswered, outcome));
    for (const listener of this.#listeners ?? []) listener(outcome);
  }

  whenSettled(): Promise<AppendOutcome> {
    return new Promise((resolve) => {
      this.#listeners ??= [];
      this.#listeners.push(resolve);
    });
  }
}
