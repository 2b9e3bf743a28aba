import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Partition } from '@breakwater/twin';

import type { PartitionLeases } from '../ports/partition-leases.ts';
import { type ContractHarness, type HarnessMaker, LEASE_UNDER_TEST_MS, passOf } from './contract-harness.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const P2 = 2 as Partition;
const LONG_MS = 60_000;
/** More than any adapter asks for in one piece. */
const MANY = 300;

/** What every lease keeper must do. */
export function partitionLeasesContract(name: string, maker: HarnessMaker<PartitionLeases>): void {
  describe(`partition leases contract: ${name}`, () => {
    let harness: ContractHarness<PartitionLeases>;
    let leases: PartitionLeases;
    beforeEach(async () => {
      harness = await maker.make(undefined);
      leases = harness.port;
    });
    afterEach(() => harness.cleanup());

    it('lets one member hold a partition, and renew it', async () => {
      expect(await leases.acquire([P0], 'a', LONG_MS)).toEqual([true]);
      expect(await leases.acquire([P0], 'b', LONG_MS)).toEqual([false]);
      expect(await leases.acquire([P0], 'a', LONG_MS)).toEqual([true]);
      expect(await leases.acquire([P1], 'b', LONG_MS)).toEqual([true]);
    });

    it('answers of each of many, in their order, and takes those that are free', async () => {
      await leases.acquire([P1], 'b', LONG_MS);
      expect(await leases.acquire([P0, P1, P2], 'a', LONG_MS)).toEqual([true, false, true]);
      expect(await leases.acquire([P2, P1, P0], 'b', LONG_MS)).toEqual([false, true, false]);
      const many = Array.from({ length: MANY }, (_, number) => (number + P2 + 1) as Partition);
      expect(await leases.acquire(many, 'a', LONG_MS)).toEqual(many.map(() => true));
      expect(await leases.acquire([], 'a', LONG_MS)).toEqual([]);
    });

    it('lets only the holder release', async () => {
      await leases.acquire([P0], 'a', LONG_MS);
      await leases.release(P0, 'b');
      expect(await leases.acquire([P0], 'b', LONG_MS)).toEqual([false]);
      await leases.release(P0, 'a');
      expect(await leases.acquire([P0], 'b', LONG_MS)).toEqual([true]);
    });

    it('gives a lease that was not renewed to another', async () => {
      expect(await leases.acquire([P0], 'a', LEASE_UNDER_TEST_MS)).toEqual([true]);
      await passOf(harness)(LEASE_UNDER_TEST_MS + 200);
      expect(await leases.acquire([P0], 'b', LONG_MS)).toEqual([true]);
      expect(await leases.acquire([P0], 'a', LONG_MS)).toEqual([false]);
    });

    it('renewing puts the end off', async () => {
      await leases.acquire([P0], 'a', LEASE_UNDER_TEST_MS);
      await leases.acquire([P0], 'a', LONG_MS);
      await passOf(harness)(LEASE_UNDER_TEST_MS + 200);
      expect(await leases.acquire([P0], 'b', LONG_MS)).toEqual([false]);
    });

    it('says which partitions are held', async () => {
      expect(await leases.held([P0, P1])).toEqual([false, false]);
      await leases.acquire([P0], 'a', LEASE_UNDER_TEST_MS);
      await leases.acquire([P1], 'b', LONG_MS);
      expect(await leases.held([P1, P0])).toEqual([true, true]);
      await passOf(harness)(LEASE_UNDER_TEST_MS + 200);
      expect(await leases.held([P0, P1])).toEqual([false, true]);
      await leases.release(P1, 'b');
      expect(await leases.held([P1])).toEqual([false]);
      expect(await leases.held([])).toEqual([]);
    });

    it('answers the members that live, sorted', async () => {
      expect(await leases.heartbeat('b', LONG_MS)).toEqual(['b']);
      expect(await leases.heartbeat('a', LEASE_UNDER_TEST_MS)).toEqual(['a', 'b']);
      expect(await leases.heartbeat('c', LONG_MS)).toEqual(['a', 'b', 'c']);
      await passOf(harness)(LEASE_UNDER_TEST_MS + 200);
      expect(await leases.heartbeat('b', LONG_MS)).toEqual(['b', 'c']);
    });

    it('forgets a member that leaves', async () => {
      await leases.heartbeat('a', LONG_MS);
      await leases.heartbeat('b', LONG_MS);
      await leases.leave('a');
      expect(await leases.heartbeat('b', LONG_MS)).toEqual(['b']);
    });
  });
}
