import type { Partition } from '@breakwater/twin';

/** For those who only want to know whether somebody works on partitions. */
export interface PartitionHolders {
  /** Whether anybody holds them now, in the order of the partitions. */
  held(partitions: readonly Partition[]): Promise<readonly boolean[]>;
}

/** Who works on which partition. A wrong lease is harmless: the epoch in the twin store decides (ADR 0002). */
export interface PartitionLeases extends PartitionHolders {
  /** Says that this member lives, and answers all members that do, sorted. */
  heartbeat(memberId: string, ttlMs: number): Promise<readonly string[]>;
  /**
   * Asks for many at once, because a member with many partitions renews all of them in one heartbeat. Answers of each,
   * in their order, whether the member now holds it; one that it held already is renewed.
   */
  acquire(partitions: readonly Partition[], memberId: string, ttlMs: number): Promise<readonly boolean[]>;
  /** Gives the lease up; without effect when another member holds it. */
  release(partition: Partition, memberId: string): Promise<void>;
  /** Leaves the membership at once instead of by time-out. */
  leave(memberId: string): Promise<void>;
}
