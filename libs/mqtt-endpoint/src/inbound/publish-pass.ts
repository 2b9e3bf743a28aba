import { OVER_RATE_CALM_MS } from '../engine-limits.ts';
import type { PublishRate } from './publish-rate.ts';
import type { SharedPublishRate } from './shared-publish-rate.ts';

/** Which of its rates a connection waits for. */
export type HoldCause = 'own' | 'shared';

/**
 * What lets the publishes of one connection go on to the host: its own rate, then the one that it shares with others.
 * What was paid to the first one is not paid again while the second one keeps it waiting.
 *
 * It also knows for how long the connection has been over its own rate. A pause that is shorter than
 * `OVER_RATE_CALM_MS` does not end that time: what is held of a slowed connection runs empty now and then, as its
 * window does.
 */
export class PublishPass {
  readonly #own: PublishRate;
  readonly #shared: SharedPublishRate | null;
  readonly #now: () => number;
  #ownIsPaid = false;
  #waitsForShared = false;
  #overSinceMs = 0;
  #lastOverMs = -Infinity;

  constructor(rates: {
    readonly own: PublishRate;
    readonly shared: SharedPublishRate | null;
    readonly now: () => number;
  }) {
    this.#own = rates.own;
    this.#shared = rates.shared;
    this.#now = rates.now;
  }

  /** Null: the message may go on. Otherwise it waits, and this is asked for it again. */
  take(bytes: number): HoldCause | null {
    if (!this.#ownIsPaid && !this.#own.take(bytes, this.#now)) return this.#isOver();
    if (this.#shared !== null && !this.#takeShared(this.#shared, bytes)) return 'shared';
    this.#ownIsPaid = false;
    return null;
  }

  /** What waited does not wait any more: its connection is over. */
  leave(): void {
    this.#ownIsPaid = false;
    if (this.#waitsForShared) this.#shared?.left();
    this.#waitsForShared = false;
  }

  /** How long the connection has been over its own rate without a calm moment; 0 when it is not. */
  overForMs(nowMs: number): number {
    return nowMs - this.#lastOverMs > OVER_RATE_CALM_MS ? 0 : nowMs - this.#overSinceMs;
  }

  #takeShared(shared: SharedPublishRate, bytes: number): boolean {
    const passes = shared.take(bytes, { isWaiting: this.#waitsForShared, now: this.#now });
    if (passes === this.#waitsForShared) {
      this.#waitsForShared = !passes;
      if (passes) shared.left();
      else shared.joined();
    }
    this.#ownIsPaid = !passes;
    return passes;
  }

  #isOver(): HoldCause {
    const nowMs = this.#now();
    if (nowMs - this.#lastOverMs > OVER_RATE_CALM_MS) this.#overSinceMs = nowMs;
    this.#lastOverMs = nowMs;
    return 'own';
  }
}
