import { describe, expect, it } from '@jest/globals';

import { fairShares } from './fair-shares.ts';

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

describe('fairShares', () => {
  it('gives everybody what waits, while that is no more than a round', () => {
    expect(fairShares([5, 0, 20], 100)).toEqual([5, 1, 20]);
  });

  it('divides a round evenly among those that have more', () => {
    expect(fairShares([1_000, 1_000, 1_000, 1_000], 100)).toEqual([25, 25, 25, 25]);
  });

  it('gives what some leave to the one that has more, so that the fullest partition does not fall behind', () => {
    const waiting = Array.from({ length: 16 }, (_, partition) => (partition === 3 ? 4_000 : 2_000));
    expect(fairShares(waiting, 40_000)[3]).toBe(4_000);
    expect(fairShares([10, 90, 10, 90], 100)).toEqual([10, 40, 10, 40]);
  });

  it('never holds others up for the backlog of one', () => {
    const shares = fairShares([1_000_000, 30, 30, 30], 100);
    expect(shares).toEqual([25, 25, 25, 25]);
    expect(sum(shares)).toBeLessThanOrEqual(100);
  });

  it('gives each a record at least, or it would never come to one', () => {
    expect(fairShares([9, 9, 9], 2)).toEqual([1, 1, 1]);
    expect(fairShares([], 2)).toEqual([]);
  });
});
