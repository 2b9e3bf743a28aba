/** The present rate forgets what was this long ago, and most of what was a little less. */
const SMOOTHING_MS = 10_000;
/** What takes longer than a day is not worth a number. */
export const HEADROOM_SECONDS_MAX = 86_400;
const MS_PER_SECOND = 1_000;

/**
 * In how many seconds something is full if it goes on filling as it did of late: what flows in less what flows out,
 * smoothed over about ten seconds, so that a single batch is no storm and a storm is seen before it is over.
 */
export class FillTrend {
  #used: number | null = null;
  #atMs = 0;
  #perMs = 0;

  /** Takes the fill of now, and answers the seconds that are left, `HEADROOM_SECONDS_MAX` at most. */
  next(fill: { readonly used: number; readonly max: number }, nowMs: number): number {
    const { used, max } = fill;
    if (this.#used === null) {
      this.#used = used;
      this.#atMs = nowMs;
      return used >= max ? 0 : HEADROOM_SECONDS_MAX;
    }
    const elapsedMs = nowMs - this.#atMs;
    if (elapsedMs > 0) {
      const weight = 1 - Math.exp(-elapsedMs / SMOOTHING_MS);
      this.#perMs += weight * ((used - this.#used) / elapsedMs - this.#perMs);
      this.#used = used;
      this.#atMs = nowMs;
    }
    if (used >= max) return 0;
    if (this.#perMs <= 0) return HEADROOM_SECONDS_MAX;
    return Math.min(HEADROOM_SECONDS_MAX, (max - used) / this.#perMs / MS_PER_SECOND);
  }
}
