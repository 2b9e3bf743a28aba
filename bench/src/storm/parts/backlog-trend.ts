import type { Backlog } from '../platform/storm-platform.ts';

/**
 * A rate is sustained when its backlog does not grow. The backlog is all that is due and not yet both in its twin and
 * among the rows: what waits for its PUBACK plus the larger one of the two lags. The first ten seconds of a window are
 * for getting into step. Of the rest, the mean of the last third may exceed the mean of the first third by half a
 * second's worth of events at most (the writer stores twice a second, so a lag is a saw of that height), and may itself
 * be no more than three seconds' worth.
 */
const TREND = { settleShare: 1 / 6, growthSecondsMax: 0.5, backlogSecondsMax: 3 } as const;

export interface Trend {
  readonly isHeld: boolean;
  /** So far behind at the end that a longer window would say the same. */
  readonly isOverrun: boolean;
  /** Mean of the first and of the last third, in seconds' worth of the rate. */
  readonly firstSeconds: number;
  readonly lastSeconds: number;
}

/** Samples of one window, in order of time. */
export function trendOf(samples: readonly Backlog[], eventsPerSecond: number): Trend {
  const steady = samples.slice(Math.ceil(samples.length * TREND.settleShare));
  const third = Math.max(1, Math.floor(steady.length / 3));
  const firstSeconds = mean(steady.slice(0, third)) / eventsPerSecond;
  const lastSeconds = mean(steady.slice(-third)) / eventsPerSecond;
  const isOverrun = steady.length === 0 || lastSeconds > TREND.backlogSecondsMax;
  const isHeld = !isOverrun && lastSeconds - firstSeconds <= TREND.growthSecondsMax;
  return { isHeld, isOverrun, firstSeconds, lastSeconds };
}

function mean(samples: readonly Backlog[]): number {
  const sizes = samples.map(({ waiting, twinLag, writerLag }) => waiting + Math.max(twinLag, writerLag));
  return sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length);
}
