import type { Partition } from '@breakwater/twin';

import type { LanePositions } from './twin-store.ts';

/** What a member may work on at the moment. A live view: it changes while the group does. */
export interface PartitionClaims {
  /** Until when the member may believe so, by its own clock, should it hear nothing more. */
  readonly held: ReadonlyMap<Partition, number>;
  /** Those of `held` that are to go to another member: to be drained, and then released. */
  readonly asked: ReadonlySet<Partition>;
  /** The member holds all of its share. Otherwise it is worth asking again soon. */
  readonly complete: boolean;
}

/**
 * How well a member reaches the store of the twins. `doubtful` is for a moment in which nobody can say: it asks for
 * nothing, and a member in doubt takes nothing on.
 */
export type StoreReach = 'here' | 'doubtful' | 'away';

/**
 * One member's part in a group that shares out the partitions: leases that every member computes alike, or Kafka's
 * consumer group. Claims only decide who tries; a wrong one is harmless, because the epoch in the store decides
 * (ADR 0002). A partition goes from one member to another only after the first has released it, or has not been heard
 * of for as long as it may believe in it.
 */
export interface PartitionMembership {
  readonly claims: PartitionClaims;
  /** Joins at the first call; then says that the member lives, and brings the claims up to date. */
  renew(): Promise<void>;
  /** Gives a partition up. From this call on it is none of the claims, unless the group gives it again. */
  release(partition: Partition): Promise<void>;
  /**
   * Says that this member is about to leave, and resolves when whoever comes next knows, where that is worth waiting
   * for. Its claims stay until it releases them; it renews no more.
   */
  retire(): Promise<void>;
  /** Leaves at once instead of by time-out. Everything was released before. */
  leave(): Promise<void>;
  /** Says how far the member's work has come, for tools that watch the group's lag. It decides nothing. */
  committed(partition: Partition, positions: LanePositions): void;
  /**
   * Told when it changes how well this member reaches the store. The group gives what such a member has to others that
   * do reach it, by asking it back; where nobody does, somebody has each partition all the same, and nothing is moved
   * if the members can agree on that. Absent where the claims live in the store itself: there a member that does not
   * reach it soon holds none.
   */
  readonly noteStoreReach?: (reach: StoreReach) => void;
  /** Tells of changes between two renewals; a group that is only asked in `renew` has none. */
  onChange(listener: () => void): void;
}
