/** What a repeated measurement gave. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { min: sorted[0] ?? Number.NaN, median, max: sorted.at(-1) ?? Number.NaN };
}

export interface Paired {
  readonly subject: Spread;
  readonly yardstick: Spread;
  /** Of the pairs, so that what slows the whole machine for a while slows both sides of a ratio. */
  readonly ratio: Spread;
}

/**
 * Measures two things in turns (A B, B A, A B, …), after one round of each that only warms up. Neither always comes
 * first, so a machine that gets slower, or faster, favours none of them.
 */
export async function measurePairs(
  pairs: number,
  measured: { readonly subject: () => Promise<number>; readonly yardstick: () => Promise<number> },
): Promise<Paired> {
  await measured.subject();
  await measured.yardstick();
  const subjects: number[] = [];
  const yardsticks: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    if (pair % 2 === 0) {
      subjects.push(await measured.subject());
      yardsticks.push(await measured.yardstick());
    } else {
      yardsticks.push(await measured.yardstick());
      subjects.push(await measured.subject());
    }
  }
  const ratios = subjects.map((subject, index) => subject / (yardsticks[index] ?? Number.NaN));
  return { subject: spreadOf(subjects), yardstick: spreadOf(yardsticks), ratio: spreadOf(ratios) };
}

/**
 * Measures the yardstick before and after each turn of the subject (B A B A B), and compares each subject with the mean
 * of its two neighbours: what drifts meanwhile falls on both sides.
 */
export async function measureBetween(
  turns: number,
  measured: { readonly subject: () => Promise<number>; readonly yardstick: () => Promise<number> },
): Promise<Paired> {
  await measured.subject();
  const subjects: number[] = [];
  const yardsticks: number[] = [await measured.yardstick()];
  for (let turn = 0; turn < turns; turn++) {
    subjects.push(await measured.subject());
    yardsticks.push(await measured.yardstick());
  }
  const ratios = subjects.map((subject, turn) => {
    const [before = Number.NaN, after = Number.NaN] = yardsticks.slice(turn, turn + 2);
    return (2 * subject) / (before + after);
  });
  return { subject: spreadOf(subjects), yardstick: spreadOf(yardsticks), ratio: spreadOf(ratios) };
}
