import type { Clock } from '../ports/clock.ts';
import type { PartitionLeases } from '../ports/partition-leases.ts';
import { LeasedMembership } from '../sharding/leased-membership.ts';
import type { GroupUnderTest, MemberUnderTest } from './partition-membership-contract.ts';

export interface LeasedGroupOptions {
  readonly leases: PartitionLeases;
  readonly clock: Clock;
  readonly leaseTtlMs: number;
  readonly pass: () => Promise<void>;
  readonly cleanup: () => Promise<void>;
}

const PARTITIONS = 6;

/** Members that share by leases, for the contract suite. */
export function leasedGroup({ leases, clock, leaseTtlMs, pass, cleanup }: LeasedGroupOptions): GroupUnderTest {
  let lives = 0;
  const join = async (): Promise<MemberUnderTest> => {
    let isCut = false;
    const membership = new LeasedMembership({
      leases: cuttable(leases, () => isCut),
      memberId: `member-${++lives}`,
      partitionCount: PARTITIONS,
      leaseTtlMs,
      clock,
    });
    return {
      membership,
      nowMs: () => clock.nowMs(),
      cut: () => (isCut = true),
      mend: () => (isCut = false),
    };
  };
  return { partitionCount: PARTITIONS, join, pass, cleanup };
}

function cuttable(leases: PartitionLeases, isCut: () => boolean): PartitionLeases {
  const reach = async <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
    if (isCut()) throw new Error('the network is cut');
    return call();
  };
  return {
    heartbeat: (memberId, ttlMs) => reach(() => leases.heartbeat(memberId, ttlMs)),
    acquire: (partitions, memberId, ttlMs) => reach(() => leases.acquire(partitions, memberId, ttlMs)),
    release: (partition, memberId) => reach(() => leases.release(partition, memberId)),
    held: (partitions) => reach(() => leases.held(partitions)),
    leave: (memberId) => reach(() => leases.leave(memberId)),
  };
}
