import type { OperationOutcome } from '@breakwater/twin';

export interface OperationAnswer {
  readonly operationId: string;
  readonly outcome: OperationOutcome;
}

/** A hint to whoever waits for an API write. Best effort: the twin's own list of operations is the truth. */
export interface OperationAnswers {
  publish(answers: readonly OperationAnswer[]): Promise<void>;
  /** Calls back for every answer until the returned function is called. */
  subscribe(listener: (answer: OperationAnswer) => void): Promise<() => Promise<void>>;
}
