import type { Partition } from '@breakwater/twin';
import type { Lane, StoreReach } from '@breakwater/twin-runtime';

/** What one exchange with the group brought. */
export type Beat =
  | { readonly kind: 'unchanged' }
  /** All that this member is to have from now on, the old and the new. */
  | { readonly kind: 'assigned'; readonly partitions: ReadonlySet<Partition> }
  /** The group has gone on without this member: others may have everything that it held. */
  | { readonly kind: 'expelled' };

/** The next offsets of the lanes, by topic and partition. */
export type FollowedOffsets = ReadonlyMap<Lane, ReadonlyMap<Partition, number>>;

/** One of Kafka's two ways to be a member of a group. */
export interface GroupProtocol {
  /** Whether the group has ever said what this member is to have. */
  readonly isMember: boolean;
  /** How long the group keeps a member of which it hears nothing. */
  readonly sessionTimeoutMs: number;
  /** Says that this member lives and what it holds. */
  beat(owned: ReadonlySet<Partition>): Promise<Beat>;
  /** What was to be given up has been given up: the next beat says so in a way that the others get it. */
  released(): void;
  /** How well this member reaches the twins, when that changes. Answers whether the group is to hear of it at once. */
  noteStoreReach(reach: StoreReach): boolean;
  commit(offsets: FollowedOffsets): Promise<void>;
  leave(): Promise<void>;
}

export interface GroupProtocolOptions {
  readonly groupId: string;
  /** Whose partitions are shared out. */
  readonly topic: string;
  readonly topicOf: (lane: Lane) => string;
  readonly partitionCount: number;
  /** Of a protocol where members choose it; where the broker does, what is assumed until it has been asked. */
  readonly sessionTimeoutMs: number;
  /** Called with the time at which a request was sent that the group has answered: then it knew of this member. */
  readonly onHeard: (sentAtMs: number) => void;
  readonly nowMs: () => number;
}

/** How long a member may take to hand over before the group goes on without it. Longer than any drain. */
export const REBALANCE_TIMEOUT_MS = 10_000;
/** For what the coordinator answers at once. Short, so that a lost answer costs a part of the session only. */
export const QUICK_CALL_TIMEOUT_MS = 2_000;
/** For what it answers when all members have: one that died is waited for as long as its session lasts. */
export const JOIN_CALL_TIMEOUT_MS = REBALANCE_TIMEOUT_MS + 5_000;
