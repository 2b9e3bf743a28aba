import { PublishRate, type PublishRateLimits } from './publish-rate.ts';

/**
 * A rate that several connections share: those of a tenant, say; who shares is the host's affair. While some of them
 * wait for it, nobody who comes later passes them, however quick he is: they are let through in turn, one message each
 * (see `PacedQueue`). So who sends little is not kept waiting longer by who sends much.
 */
export class SharedPublishRate {
  readonly #rate: PublishRate;
  #waiting = 0;

  constructor(limits: PublishRateLimits, nowMs: number) {
    this.#rate = new PublishRate(limits, nowMs);
  }

  /** Connections that wait for it at present. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes one publish out. `isWaiting`: the connection waits in line already, and its turn has come. */
  take(bytes: number, options: { readonly isWaiting: boolean; readonly now: () => number }): boolean {
    if (this.#waiting > 0 && !options.isWaiting) return false;
    return this.#rate.take(bytes, options.now);
  }

  joined(): void {
    this.#waiting += 1;
  }

  left(): void {
    this.#waiting -= 1;
  }
}
