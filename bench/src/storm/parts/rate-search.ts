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
}

/**
 * Short probes go up from the first rate until one is not held, or down until one is; then the best is held for the
 * whole time, and one step less if it was not. Answers null when not even one step is held.
 */
export async function highestHeld<Result extends Window>(
  search: RateSearch,
  hold: (rate: number, seconds: number) => Promise<Result>,
): Promise<{ readonly rate: number; readonly window: Result } | null> {
  const probe = async (rate: number): Promise<boolean> => (await hold(rate, search.probeSeconds)).isHeld;
  let rate = search.first;
  if (await probe(rate)) while (await probe(rate + search.step)) rate += search.step;
  else
    do rate -= search.step;
    while (rate > 0 && !(await probe(rate)));
  for (; rate > 0; rate -= search.step) {
    const window = await hold(rate, search.seconds);
    if (window.isHeld) return { rate, window };
  }
  return null;
}
