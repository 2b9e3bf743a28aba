import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { OperationOutcome } from '@breakwater/twin';
import type { Clock, OperationAnswers } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import { CLOCK, LOGGER, OPERATION_ANSWERS } from '../api-ports.ts';
import { Hint } from '../live/hint.ts';

/** One write that waits. `hinted` resolves when someone says that its twin may have answered. */
export interface OperationWait {
  hinted(timeoutMs: number): Promise<void>;
  /** The last answer that came. To be trusted only if nobody else can have chosen the same key. */
  outcome(): OperationOutcome | null;
  close(): void;
}

interface Waiter {
  readonly hint: Hint;
  outcome: OperationOutcome | null;
}

/**
 * Wakes the writes that wait for their twins. An answer names the operation by the key that its client chose, and
 * clients of two tenants may choose the same one: so an answer is only a hint to look at the own twin again, never the
 * outcome itself.
 */
@Injectable()
export class OperationWaits implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #waiters = new Map<string, Set<Waiter>>();
  #unsubscribe: (() => Promise<void>) | null = null;
  #count = 0;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(OPERATION_ANSWERS) private readonly answers: OperationAnswers,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  get count(): number {
    return this.#count;
  }

  async onApplicationBootstrap(): Promise<void> {
    try {
      this.#unsubscribe = await this.answers.subscribe(({ operationId, outcome }) => this.#wake(operationId, outcome));
    } catch (error) {
      this.logger.warn({ err: error }, 'no hints about finished writes: twins are polled instead');
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#unsubscribe?.();
  }

  open(operationKey: string): OperationWait {
    const waiter: Waiter = { hint: new Hint(), outcome: null };
    const waiters = this.#waiters.get(operationKey) ?? new Set();
    waiters.add(waiter);
    this.#waiters.set(operationKey, waiters);
    this.#count += 1;
    return {
      hinted: (timeoutMs) => waiter.hint.wait(this.clock, timeoutMs),
      outcome: () => waiter.outcome,
      close: () => {
        if (!waiters.delete(waiter)) return;
        this.#count -= 1;
        if (waiters.size === 0) this.#waiters.delete(operationKey);
      },
    };
  }

  #wake(operationKey: string, outcome: OperationOutcome): void {
    for (const waiter of this.#waiters.get(operationKey) ?? []) {
      waiter.outcome = outcome;
      waiter.hint.give();
    }
  }
}
