const FIRST_DELAY_MS = 250;
const DELAY_MS_MAX = 30_000;
const STABLE_AFTER_MS = 60_000;

/**
 * How long to wait before a crashed part is started again: at once is right for one crash, and wrong for a part that
 * crashes at every start. The wait doubles up to half a minute, and a run that lasted a minute counts as healthy again.
 */
export class RestartDelay {
  #failures = 0;

  next(ranForMs: number): number {
    if (ranForMs >= STABLE_AFTER_MS) this.#failures = 0;
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** this.#failures, DELAY_MS_MAX);
    this.#failures += 1;
    return delayMs;
  }
}
