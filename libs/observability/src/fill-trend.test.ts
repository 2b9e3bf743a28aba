import { describe, expect, it } from '@jest/globals';

import { FillTrend, HEADROOM_SECONDS_MAX } from './fill-trend.ts';

/** The seconds left after so many seconds of filling. */
function after(seconds: number, usedAt: (second: number) => number, max = 1_000): number {
  const trend = new FillTrend();
  let left = HEADROOM_SECONDS_MAX;
  for (let second = 0; second <= seconds; second++) left = trend.next({ used: usedAt(second), max }, second * 1_000);
  return left;
}

describe('the seconds until something is full', () => {
  it('are what is left by the rate, after a moment', () => {
    expect(after(60, (second) => second * 10)).toBeCloseTo(40, 0);
    // It is seen early, and not as less than it is.
    expect(after(5, (second) => second * 10)).toBeGreaterThan(95);
    expect(after(5, (second) => second * 10)).toBeLessThan(300);
  });

  it('are as many as can be while it does not fill', () => {
    expect(after(60, () => 900)).toBe(HEADROOM_SECONDS_MAX);
    expect(after(60, (second) => 900 - second)).toBe(HEADROOM_SECONDS_MAX);
    expect(after(0, () => 5)).toBe(HEADROOM_SECONDS_MAX);
  });

  it('are none when it is full, and many again when it drains', () => {
    expect(after(0, () => 1_000)).toBe(0);
    expect(after(100, (second) => Math.min(1_000, second * 20))).toBe(0);
    expect(after(100, (second) => (second < 50 ? second * 20 : 1_000 - (second - 50) * 10))).toBe(HEADROOM_SECONDS_MAX);
  });

  it('are not moved much by one batch', () => {
    expect(after(30, (second) => (second === 30 ? 100 : 0))).toBeGreaterThan(60);
  });
});
