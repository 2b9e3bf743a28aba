import type { Partition } from '@breakwater/twin';
import { ListOffsetTimestamps } from '@platformatic/kafka';

import { kafkaAway } from '../kafka-failure.ts';
import type { TopicRole } from '../topic-names.ts';
import type { LogTopology } from './log-topology.ts';

export interface PartitionBounds {
  /** The oldest offset that is still kept. */
  readonly first: number;
  /** The offset that the next record will get. */
  readonly end: number;
}

/** @throws PlatformError `BACKEND_UNAVAILABLE` */
export async function partitionBounds(
  topology: LogTopology,
  role: TopicRole,
  partition: Partition,
): Promise<PartitionBounds> {
  const [first, end] = await Promise.all([
    offsetAt(topology, { role, partition, timestamp: ListOffsetTimestamps.EARLIEST }),
    offsetAt(topology, { role, partition, timestamp: ListOffsetTimestamps.LATEST }),
  ]);
  return { first, end };
}

/** The offset that the next record will get. */
export function partitionEnd(topology: LogTopology, role: TopicRole, partition: Partition): Promise<number> {
  return offsetAt(topology, { role, partition, timestamp: ListOffsetTimestamps.LATEST });
}

export function kafkaUnavailable(error: unknown): never {
  throw kafkaAway(error, 'Kafka does not answer');
}

async function offsetAt(
  topology: LogTopology,
  { role, partition, timestamp }: { role: TopicRole; partition: Partition; timestamp: bigint },
): Promise<number> {
  const partitions = [{ partitionIndex: partition, timestamp }];
  const topics = await topology.admin
    .listOffsets({ topics: [{ name: topology.topicOf(role), partitions }] })
    .catch(kafkaUnavailable);
  return Number(topics[0]!.partitions[0]!.offset);
}
