const MS_PER_MINUTE = 60_000;

/**
 * Token bucket of one minute's worth of SUBSCRIBE packets. Each may make the host send a device its whole state, so a
 * packet past it is refused, unlike a publish, which only waits.
 */
export class SubscribeRate {
  readonly #perMinuteMax: number;
  #tokens: number;
  #refilledAtMs: number;

  constructor(perMinuteMax: number, nowMs: number) {
    this.#perMinuteMax = perMinuteMax;
    this.#tokens = perMinuteMax;
    this.#refilledAtMs = nowMs;
  }

  /** False: this one is too many, and costs nothing. */
  spend(nowMs: number): boolean {
    if (this.#perMinuteMax === Number.POSITIVE_INFINITY) return true;
    const earned = (Math.max(0, nowMs - this.#refilledAtMs) * this.#perMinuteMax) / MS_PER_MINUTE;
    this.#refilledAtMs = nowMs;
    this.#tokens = Math.min(this.#perMinuteMax, this.#tokens + earned);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
