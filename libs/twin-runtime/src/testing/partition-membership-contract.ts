import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Partition } from '@breakwater/twin';

import type { PartitionMembership } from '../ports/partition-membership.ts';

/** One member, as the suite plays it: it renews and hands over like a worker does, until it is told otherwise. */
export interface MemberUnderTest {
  readonly membership: PartitionMembership;
  /** Now, by the clock that the member believes its claims by. */
  nowMs(): number;
  /** Nothing it says reaches the group any more, and nothing of the group reaches it. */
  cut(): void;
  /** The opposite of `cut`. */
  mend(): void;
}

export interface GroupUnderTest {
  readonly partitionCount: number;
  /** When nobody reaches the store, its members cannot agree to leave everything where it is. */
  readonly movesInVain?: boolean;
  join(): Promise<MemberUnderTest>;
  /** Lets some time of the group pass; short against the time that a silent member is believed in. */
  pass(): Promise<void>;
  readonly cleanup: () => Promise<void>;
}

/** Steps of `pass` after which what has not come about never will. */
const STEPS_MAX = 600;
/** Steps in which a group that has something to move would have begun to. */
const QUIET_STEPS = 60;

/** What every group must do. Members are played here: what is asked for is released, after a check. */
export function partitionMembershipContract(
  name: string,
  makeGroup: () => Promise<GroupUnderTest>,
  timeoutMs = 60_000,
): void {
  describe(`partition membership contract: ${name}`, () => {
    let group: GroupUnderTest;
    let members: MemberUnderTest[];
    /** Partitions that were released, by whom. */
    let handOvers = 0;

    beforeEach(async () => {
      group = await makeGroup();
      members = [];
      handOvers = 0;
    }, timeoutMs);
    afterEach(() => group.cleanup(), timeoutMs);

    const join = async (): Promise<MemberUnderTest> => {
      const member = await group.join();
      members.push(member);
      return member;
    };

    const heldBy = ({ membership, nowMs }: MemberUnderTest): Partition[] =>
      [...membership.claims.held].filter(([, untilMs]) => untilMs > nowMs()).map(([partition]) => partition);

    const checkOneOwnerEach = (): void => {
      const all = members.flatMap(heldBy);
      expect(all.length).toBe(new Set(all).size);
    };

    /** One turn of each member, as its worker would take it. */
    const turn = async (): Promise<void> => {
      for (const member of members) {
        await member.membership.renew().catch(() => undefined);
        checkOneOwnerEach();
        for (const partition of [...member.membership.claims.asked]) {
          handOvers += 1;
          await member.membership.release(partition).catch(() => undefined);
        }
        checkOneOwnerEach();
      }
      await group.pass();
    };

    const until = async (sentence: string, condition: () => boolean): Promise<void> => {
      for (let step = 0; !condition(); step += 1) {
        if (step === STEPS_MAX) {
          const held = members.map((member) => heldBy(member).join(',')).join(' | ');
          throw new Error(`never: ${sentence}; held are ${held}`);
        }
        await turn();
      }
    };

    const isFair = (among: readonly MemberUnderTest[]): boolean => {
      const shares = among.map((member) => heldBy(member).length);
      const sum = shares.reduce((total, share) => total + share, 0);
      return sum === group.partitionCount && Math.max(...shares) - Math.min(...shares) <= 1;
    };

    it(
      'gives a single member everything',
      async () => {
        const only = await join();
        await until('the only member holds all', () => isFair([only]) && only.membership.claims.complete);
        expect(only.membership.claims.asked.size).toBe(0);
      },
      timeoutMs,
    );

    it(
      'shares fairly with a second and a third member, never twice, and moves little more than it must',
      async () => {
        const first = await join();
        await until('the first holds all', () => isFair([first]));
        const second = await join();
        await until('two share', () => isFair([first, second]));
        const third = await join();
        await until('three share', () => isFair([first, second, third]));
        // A half goes to the second, a third of all to the third; assignments by rank may move a few more.
        expect(handOvers).toBeLessThanOrEqual(group.partitionCount / 2 + group.partitionCount / 3 + 3);
      },
      timeoutMs,
    );

    it(
      'keeps a partition with its holder until the holder releases it',
      async () => {
        const first = await join();
        await until('the first holds all', () => isFair([first]));
        const second = await join();
        // The first renews, and hands nothing over yet.
        for (let step = 0; step < STEPS_MAX && first.membership.claims.asked.size === 0; step += 1) {
          await first.membership.renew();
          await second.membership.renew();
          await group.pass();
        }
        const asked = [...first.membership.claims.asked];
        expect(asked.length).toBeGreaterThan(0);
        for (let step = 0; step < 5; step += 1) {
          await first.membership.renew();
          await second.membership.renew();
          await group.pass();
          expect(heldBy(first)).toHaveLength(group.partitionCount);
          expect(heldBy(second)).toEqual([]);
        }
        await until('they share', () => isFair([first, second]));
        for (const partition of asked) expect(heldBy(second)).toContain(partition);
      },
      timeoutMs,
    );

    it(
      'shares what a member leaves at once',
      async () => {
        const [first, second] = [await join(), await join()];
        await until('two share', () => isFair([first, second]));
        members = [first];
        const had = heldBy(second);
        let hasRetired = false;
        const retiring = second.membership.retire().then(() => {
          hasRetired = true;
        });
        await until('the second may go', () => hasRetired);
        await retiring;
        expect(heldBy(second)).toEqual(had);
        for (const partition of heldBy(second)) await second.membership.release(partition);
        await second.membership.leave();
        await until('the first holds all', () => isFair([first]));
        expect(heldBy(second)).toEqual([]);
      },
      timeoutMs,
    );

    it(
      'gives what a member has that does not reach the store to one that does, and leaves it with somebody otherwise',
      async () => {
        const [first, second] = [await join(), await join()];
        // Leases live in the store itself.
        if (first.membership.noteStoreReach === undefined) return;
        await until('two share', () => isFair([first, second]));
        second.membership.noteStoreReach?.('away');
        await until('the first holds all', () => heldBy(first).length === group.partitionCount);
        second.membership.noteStoreReach?.('here');
        await until('both share again', () => isFair([first, second]));

        const had = [heldBy(first), heldBy(second)];
        const before = handOvers;
        second.membership.noteStoreReach?.('doubtful');
        first.membership.noteStoreReach('away');
        for (let step = 0; step < QUIET_STEPS; step += 1) await turn();
        second.membership.noteStoreReach?.('away');
        for (let step = 0; step < QUIET_STEPS; step += 1) await turn();
        expect(heldBy(first).length + heldBy(second).length).toBe(group.partitionCount);
        second.membership.noteStoreReach?.('here');
        first.membership.noteStoreReach('here');
        if (group.movesInVain === true) return until('both share once more', () => isFair([first, second]));
        for (let step = 0; step < QUIET_STEPS; step += 1) await turn();
        expect([heldBy(first), heldBy(second)]).toEqual(had);
        expect(handOvers).toBe(before);
      },
      timeoutMs,
    );

    it(
      'shares what a silent member had, when that member itself believes in it no longer',
      async () => {
        const [first, second] = [await join(), await join()];
        await until('two share', () => isFair([first, second]));
        second.cut();
        // Every turn checks that nothing is believed to be held twice, by the clock of each.
        await until('the first holds all', () => heldBy(first).length === group.partitionCount);
        expect(heldBy(second)).toEqual([]);
        second.mend();
        await until('the silent one is back', () => isFair([first, second]));
      },
      timeoutMs,
    );
  });
}
