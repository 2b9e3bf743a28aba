import { describe, expect, it } from '@jest/globals';

import { missingRanges, rangeText } from './seq-ranges.ts';

describe('missingRanges', () => {
  it.each([
    [[], '10-14'],
    [[10, 11, 12, 13, 14], ''],
    [[10, 12, 14], '11, 13'],
    [[12], '10-11, 13-14'],
    [[9, 10, 14, 15], '11-13'],
    [[10, 10, 11, 12, 13, 14], ''],
  ])('finds what %j misses of 10 to 14', (seqs, expected) => {
    expect(missingRanges(seqs, { first: 10, end: 15 }).map(rangeText).join(', ')).toBe(expected);
  });
});
