const MS_PER_SECOND = 1000;

/**
 * Token bucket of one second's worth of publishes. An empty bucket stops the reading of that connection (its
 * acknowledgements are withheld by not being earned); nothing is refused.
 */
export class PublishRate {
  readonly #perSecondMax: number;
  #tokens: number;
  #refilledAtMs: number;

  constructor(perSecondMax: number, nowMs: number) {
    this.#perSecondMax = perSecondMax;
    this.#tokens = perSecondMax;
    this.#refilledAtMs = nowMs;
  }

  /** Takes one publish out; false when the bucket is empty now. */
  spend(nowMs: number): boolean {
    this.#tokens -= 1;
    if (this.#tokens >= 1) return true;
    return this.refill(nowMs);
  }

  /** True when at least one publish may be read. */
  refill(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#refilledAtMs);
    this.#refilledAtMs = nowMs;
    this.#tokens = Math.min(this.#perSecondMax, this.#tokens + (elapsedMs * this.#perSecondMax) / MS_PER_SECOND);
    return this.#tokens >= 1;
  }
}
