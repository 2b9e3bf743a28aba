import { describe, expect, it } from '@jest/globals';

import { trendOf } from './backlog-trend.ts';

const RATE = 1_000;

function samplesOf(backlog: (second: number) => number) {
  return Array.from({ length: 60 }, (_, second) => ({
    atMs: second * 1_000,
    waiting: backlog(second) / 2,
    twinLag: 0,
    writerLag: backlog(second) / 2,
  }));
}

describe('trendOf', () => {
  it('holds a backlog that stays, however uneven', () => {
    expect(
      trendOf(
        samplesOf((second) => (second % 2 === 0 ? 100 : 900)),
        RATE,
      ).isHeld,
    ).toBe(true);
  });

  it('forgives a bad start', () => {
    expect(
      trendOf(
        samplesOf((second) => (second < 10 ? 9_000 : 500)),
        RATE,
      ).isHeld,
    ).toBe(true);
  });

  it('does not hold a backlog that grows, though slowly', () => {
    const trend = trendOf(
      samplesOf((second) => second * 20),
      RATE,
    );
    expect(trend).toMatchObject({ isHeld: false, isOverrun: false });
    expect(trend.lastSeconds).toBeGreaterThan(trend.firstSeconds);
  });

  it('does not hold one that stays high, nor one that nobody looked at', () => {
    const high = samplesOf(() => 4_000);
    expect(trendOf(high, RATE)).toMatchObject({ isHeld: false, isOverrun: true });
    expect(trendOf([], RATE)).toMatchObject({ isHeld: false, isOverrun: true });
  });
});
