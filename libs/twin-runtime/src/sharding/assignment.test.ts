import { describe, expect, it } from '@jest/globals';

import { partitionsOf } from './assignment.ts';

const MEMBERS = ['a', 'b', 'c', 'd', 'e'];

describe('partitionsOf', () => {
  it('gives each partition to exactly one member, in fair shares', () => {
    for (const count of [1, 2, 3, 5]) {
      for (const partitionCount of [1, 4, 16, 64]) {
        const members = MEMBERS.slice(0, count);
        const shares = members.map((member) => [...partitionsOf(member, members, partitionCount)]);
        const all = shares.flat().sort((left, right) => left - right);
        expect(all).toEqual(Array.from({ length: partitionCount }, (_, number) => number));
        const sizes = shares.map((share) => share.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('gives nothing to a member that is not on the list', () => {
    expect(partitionsOf('x', MEMBERS, 16).size).toBe(0);
    expect(partitionsOf('x', [], 16).size).toBe(0);
  });

  it('moves little more than it must when a member leaves', () => {
    const ownersOf = (members: readonly string[]): string[] =>
      Array.from({ length: 64 }, (_, number) =>
        String(members.find((member) => partitionsOf(member, members, 64).has(number as never))),
      );
    const before = ownersOf(MEMBERS);
    const after = ownersOf(MEMBERS.filter((member) => member !== 'c'));
    const moved = before.filter((owner, number) => owner !== 'c' && owner !== after[number]).length;
    expect(moved).toBeLessThan(64 / 3);
  });
});
