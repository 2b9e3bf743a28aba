const MS_PER_SECOND = 1000;

/**
 * Token bucket of one second's worth of publishes, so that a device may send what it has gathered in one burst. It is
 * filled only when it is empty: a device below its rate costs one subtraction per message.
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
  take(now: () => number): boolean {
    if (this.#tokens < 1) this.#refill(now());
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#refilledAtMs);
    this.#refilledAtMs = nowMs;
    this.#tokens = Math.min(this.#perSecondMax, this.#tokens + (elapsedMs * this.#perSecondMax) / MS_PER_SECOND);
  }
}
