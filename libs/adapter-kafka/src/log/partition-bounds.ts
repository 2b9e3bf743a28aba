import type { Partition } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';
import { ListOffsetTimestamps } from '@platformatic/kafka';

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
  const message = `Kafka does not answer: ${error instanceof Error ? error.message : String(error)}`;
  throw new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true, cause: error });
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
