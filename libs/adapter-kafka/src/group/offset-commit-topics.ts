import type { FollowedOffsets, GroupProtocolOptions } from './group-protocol.ts';

const UNKNOWN_LEADER_EPOCH = -1;

interface CommittedTopic {
  readonly name: string;
  readonly partitions: {
    partitionIndex: number;
    committedOffset: bigint;
    committedLeaderEpoch: number;
    committedMetadata: null;
  }[];
}

/** Offsets as Kafka's request has them. */
export function offsetCommitTopics(
  offsets: FollowedOffsets,
  { topicOf }: Pick<GroupProtocolOptions, 'topicOf'>,
): CommittedTopic[] {
  return [...offsets].map(([lane, ofLane]) => ({
    name: topicOf(lane),
    partitions: [...ofLane].map(([partition, offset]) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: UNKNOWN_LEADER_EPOCH,
      committedMetadata: null,
    })),
  }));
}
