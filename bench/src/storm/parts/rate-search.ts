/** Finds the highest rate that is held, in steps, from a first guess. */
export interface RateSearch {
  readonly first: number;
  readonly step: number;
  readonly probeSeconds: number;
  readonly seconds: number;
}

/** What one window said. */
export interface Window {
  readonly isHeld: boolean;
  /** Not held by so much that a longer window would say the same. */
  readonly isOverrun: boolean;
}

/**
 * Short probes go up from the first rate until one is not held, or down until one is; then the best is held for the
 * whole time, and one step less if it was not. What a probe does not hold is only believed when it is far behind: a
 * backlog that grew a little in a short window may be the noise of the machine, so the whole time decides. Answers null
 * when not even one step is held.
 */
export async function highestHeld<Result extends Window>(
  search: RateSearch,
  hold: (rate: number, seconds: number) => Promise<Result>,
): Promise<{ readonly rate: number; readonly window: Result } | null> {
  const known = new Map<number, Result>();
  const wholly = async (rate: number): Promise<Result> => {
    const window = known.get(rate) ?? (await hold(rate, search.seconds));
    known.set(rate, window);
    return window;
  };
  const seemsHeld = async (rate: number): Promise<boolean> => {
    const { isHeld, isOverrun } = await hold(rate, search.probeSeconds);
    return isHeld || (!isOverrun && (await wholly(rate)).isHeld);
  };
  let rate = search.first;
  if (await seemsHeld(rate)) while (await seemsHeld(rate + search.step)) rate += search.step;
  else
    do rate -= search.step;
    while (rate > 0 && !(await seemsHeld(rate)));
  for (; rate > 0; rate -= search.step) {
    const window = await wholly(rate);
    if (window.isHeld) return { rate, window };
  }
  return null;
}
