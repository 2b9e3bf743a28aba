import type { OperationAnswer, OperationAnswers } from '@breakwater/twin-runtime';

/** Operation answers in memory. */
export class MemoryOperationAnswers implements OperationAnswers {
  readonly #listeners = new Set<{ readonly tell: (answer: OperationAnswer) => void }>();

  async publish(answers: readonly OperationAnswer[]): Promise<void> {
    for (const listener of this.#listeners) for (const answer of answers) listener.tell(answer);
  }

  async subscribe(listener: (answer: OperationAnswer) => void): Promise<() => Promise<void>> {
    const entry = { tell: listener };
    this.#listeners.add(entry);
    return async () => {
      this.#listeners.delete(entry);
    };
  }
}
