const MS_PER_SECOND = 1000;

/** What may be published in a second. 0: as much as comes. */
export interface PublishRateLimits {
  readonly messagesPerSecondMax: number;
  readonly bytesPerSecondMax: number;
}

/**
 * Token buckets of one second's worth of messages and of bytes, so that a device may send what it has gathered in one
 * burst. They are filled only when one is empty: below the rate a message costs two comparisons and two subtractions,
 * and no look at the clock. A message passes as soon as there are any bytes left and is paid in full, so that one
 * larger than a second's worth passes too, and the next one waits for it.
 */
export class PublishRate {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  #messages: number;
  #bytes: number;
  #refilledAtMs: number;

  constructor(limits: PublishRateLimits, nowMs: number) {
    this.#messagesMax = limits.messagesPerSecondMax === 0 ? Infinity : limits.messagesPerSecondMax;
    this.#bytesMax = limits.bytesPerSecondMax === 0 ? Infinity : limits.bytesPerSecondMax;
    this.#messages = this.#messagesMax;
    this.#bytes = this.#bytesMax;
    this.#refilledAtMs = nowMs;
  }

  /** Takes one publish out; false when a bucket is empty now. */
  take(bytes: number, now: () => number): boolean {
    if (this.#messages < 1 || this.#bytes <= 0) {
      this.#refill(now());
      if (this.#messages < 1 || this.#bytes <= 0) return false;
    }
    this.#messages -= 1;
    this.#bytes -= bytes;
    return true;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#refilledAtMs);
    this.#refilledAtMs = nowMs;
    this.#messages = filled(this.#messages, this.#messagesMax, elapsedMs);
    this.#bytes = filled(this.#bytes, this.#bytesMax, elapsedMs);
  }
}

function filled(tokens: number, perSecondMax: number, elapsedMs: number): number {
  // Without a limit there is nothing to fill, and no time times infinity is no number.
  return perSecondMax === Infinity
    ? Infinity
    : Math.min(perSecondMax, tokens + (elapsedMs * perSecondMax) / MS_PER_SECOND);
}
