import type { LogId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { insertToken } from './ingest-plan.ts';
import {
  epochsBegin,
  partitionsOfRange,
  rangeOfScope,
  scopeOf,
  SKIPPED_RANGE,
  WHOLE_LANE,
  WRITER_RANGES_MAX,
  type WriterRange,
} from './writer-range.ts';

const ALL: readonly WriterRange[] = [
  ...Array.from({ length: WRITER_RANGES_MAX }, (_, of) =>
    Array.from({ length: of + 1 }, (_each, index) => ({ index, of: of + 1 })),
  ).flat(),
  SKIPPED_RANGE,
];

describe('the ranges of the telemetry lane', () => {
  it('have every partition once, and differ by one at most', () => {
    const counts = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: WRITER_RANGES_MAX }), (partitionCount, of) => {
        fc.pre(of <= partitionCount);
        const ranges = Array.from({ length: of }, (_, index) => partitionsOfRange({ index, of }, partitionCount));
        expect(ranges.flat()).toEqual(Array.from({ length: partitionCount }, (_, partition) => partition));
        const sizes = ranges.map(({ length }) => length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('are found again by their scope', () => {
    expect(ALL.map((range) => rangeOfScope(scopeOf(range)))).toEqual(ALL);
    expect(rangeOfScope('something')).toBeNull();
  });

  it('have epochs that no other range of any division has', () => {
    const begins = ALL.map(epochsBegin).toSorted((a, b) => a - b);
    begins.forEach((begin, at) => {
      if (at > 0) expect(begin - (begins[at - 1] ?? 0)).toBeGreaterThanOrEqual(1e9);
    });
    expect((begins.at(-1) ?? 0) + 1e9).toBeLessThan(Number.MAX_SAFE_INTEGER);
  });

  it('give their inserts tokens of their own, and the whole lane those that it always gave', () => {
    const logId = 'log' as LogId;
    const tokens = ALL.flatMap((range) =>
      [1, 2].map((number) => insertToken({ scope: scopeOf(range), logId, number }, 9)),
    );
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(insertToken({ scope: scopeOf(WHOLE_LANE), logId, number: 7 }, 20_000)).toBe('log/7/20000');
  });
});
