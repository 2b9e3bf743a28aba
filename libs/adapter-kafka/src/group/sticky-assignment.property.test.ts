import type { Partition } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { type MemberClaim, stickyAssignment } from './sticky-assignment.ts';

const all = (count: number): Partition[] => Array.from({ length: count }, (_, index) => index as Partition);
const claim = (memberId: string, owned: readonly number[], generation = 1): MemberClaim => ({
  memberId,
  owned: owned as readonly Partition[],
  generation,
  isAble: true,
});

/** Members that give up at once what they miss, and join again, until nothing changes. */
function settle(first: readonly MemberClaim[], partitionCount: number): { claims: MemberClaim[]; moved: number } {
  let claims = [...first];
  let moved = 0;
  for (let round = 0; round < 4; round += 1) {
    const held = new Map(claims.flatMap(({ memberId, owned }) => owned.map((partition) => [partition, memberId])));
    const assigned = stickyAssignment(claims, partitionCount);
    for (const [memberId, partitions] of assigned) {
      for (const partition of partitions) {
        const holder = held.get(partition);
        if (holder !== undefined && holder !== memberId) throw new Error(`${partition} was given away too early`);
      }
    }
    moved += [...held].filter(([partition, memberId]) => !assigned.get(memberId)?.includes(partition)).length;
    claims = claims.map(({ memberId, isAble }) => ({
      ...claim(memberId, assigned.get(memberId) ?? [], round + 2),
      isAble,
    }));
  }
  return { claims, moved };
}

describe('the sticky assignment', () => {
  it('gives each partition to one member, fairly, and moves nothing but what fairness asks for', () => {
    const sizes = fc.record({ partitions: fc.integer({ min: 1, max: 64 }), before: fc.integer({ min: 1, max: 6 }) });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 6 }), (size, left, came) => {
        const { partitions, before } = size;
        const names = (from: number, count: number): string[] => all(count).map((index) => `m${from + index}`);
        const start = settle(
          names(0, before).map((name) => claim(name, [], -1)),
          partitions,
        ).claims;
        const stay = start.slice(Math.min(left, before));
        const { claims, moved } = settle([...stay, ...names(10, came).map((name) => claim(name, [], -1))], partitions);
        const owned = claims.flatMap((each) => each.owned).sort((a, b) => a - b);
        expect(owned).toEqual(all(partitions));
        const shares = claims.map((each) => each.owned.length);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        // What was with somebody and had to go to make the shares fair, and nothing else.
        const share = Math.floor(partitions / claims.length);
        const tooMany = stay.map((each) => Math.max(0, each.owned.length - share)).reduce((sum, each) => sum + each, 0);
        expect(moved).toBeLessThanOrEqual(tooMany);
      }),
    );
  });

  it('gives a fifth member a share beside four that have four each', () => {
    const four = ['a', 'b', 'c', 'd'].map((name, at) =>
      claim(
        name,
        [0, 1, 2, 3].map((index) => 4 * at + index),
      ),
    );
    const { claims, moved } = settle([...four, claim('e', [], -1)], 16);
    expect(claims.map(({ owned }) => owned.length).sort()).toEqual([3, 3, 3, 3, 4]);
    expect(moved).toBe(3);
  });

  it('asks a member that cannot work for all that it has, and gives it back later', () => {
    const [a, b] = [claim('a', [0, 1, 2]), claim('b', [3, 4, 5])];
    // Nobody gets it before it is released.
    expect(stickyAssignment([a, { ...b, isAble: false }], 6)).toEqual(
      new Map([
        ['a', [0, 1, 2]],
        ['b', []],
      ]),
    );
    const { claims } = settle([a, { ...b, isAble: false }], 6);
    expect(claims.map(({ owned }) => owned)).toEqual([all(6), []]);
    const back = settle([claim('a', all(6)), claim('b', [])], 6);
    expect(back.claims.map(({ owned }) => owned.length)).toEqual([3, 3]);
  });

  it('moves nothing where nobody can work', () => {
    const unable = [claim('a', [0, 1, 2]), claim('b', [3, 4, 5])].map((each) => ({ ...each, isAble: false }));
    expect(settle(unable, 6).moved).toBe(0);
  });

  it('believes the newer generation, and nobody where both are equal, before anybody gets it', () => {
    const away = [claim('a', [0, 1], 3), claim('b', [1, 2], 5)];
    expect(stickyAssignment(away, 3)).toEqual(
      new Map([
        ['a', [0]],
        ['b', [1, 2]],
      ]),
    );
    const equal = [claim('a', [0], 3), claim('b', [0], 3)];
    expect(stickyAssignment(equal, 1)).toEqual(
      new Map([
        ['a', []],
        ['b', []],
      ]),
    );
  });
});
