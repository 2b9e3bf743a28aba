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

interface Place {
  readonly role: TopicRole;
  readonly partition: Partition;
}

/** What is asked for together. */
interface Question {
  readonly places: Map<string, Place>;
  readonly answer: Promise<ReadonlyMap<string, number>>;
}

/**
 * Looks up where partitions begin and end. Each question costs a request to a broker for the topics and one to each
 * leader, so what is asked for at the same moment is asked in one: whoever wants to know it of all partitions asks for
 * them side by side. A partition that has no leader fails the question for all, so then each is asked for alone.
 */
export class OffsetLookup {
  readonly #topology: Pick<LogTopology, 'admin' | 'topicOf'>;
  readonly #gathering = new Map<bigint, Question>();

  constructor(topology: Pick<LogTopology, 'admin' | 'topicOf'>) {
    this.#topology = topology;
  }

  /** @throws PlatformError `BACKEND_UNAVAILABLE` */
  async bounds(role: TopicRole, partition: Partition): Promise<PartitionBounds> {
    const [first, end] = await Promise.all([
      this.#at(ListOffsetTimestamps.EARLIEST, { role, partition }),
      this.end(role, partition),
    ]);
    return { first, end };
  }

  /** The offset that the next record will get. @throws PlatformError `BACKEND_UNAVAILABLE` */
  end(role: TopicRole, partition: Partition): Promise<number> {
    return this.#at(ListOffsetTimestamps.LATEST, { role, partition });
  }

  async #at(timestamp: bigint, place: Place): Promise<number> {
    let question = this.#gathering.get(timestamp);
    if (question === undefined) this.#gathering.set(timestamp, (question = this.#gather(timestamp)));
    const name = nameOf(this.#topology.topicOf(place.role), place.partition);
    question.places.set(name, place);
    const { places, answer } = question;
    try {
      return offsetIn(await answer, name);
    } catch (error) {
      if (places.size === 1) return kafkaUnavailable(error);
      return offsetIn(await this.#ask(timestamp, [place]).catch(kafkaUnavailable), name);
    }
  }

  /** Until those who run now have asked. */
  #gather(timestamp: bigint): Question {
    const places = new Map<string, Place>();
    const asked = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#gathering.delete(timestamp);
      return this.#ask(timestamp, [...places.values()]);
    });
    return { places, answer: asked };
  }

  async #ask(timestamp: bigint, places: readonly Place[]): Promise<ReadonlyMap<string, number>> {
    const topics = new Map<string, { partitionIndex: number; timestamp: bigint }[]>();
    for (const { role, partition } of places) {
      const name = this.#topology.topicOf(role);
      const partitions = topics.get(name) ?? [];
      topics.set(name, partitions);
      partitions.push({ partitionIndex: partition, timestamp });
    }
    const answer = await this.#topology.admin.listOffsets({
      topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
    });
    return new Map(
      answer.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, offset }) => [nameOf(name, partitionIndex), Number(offset)] as const),
      ),
    );
  }
}

export function kafkaUnavailable(error: unknown): never {
  throw kafkaAway(error, 'Kafka does not answer');
}

function offsetIn(offsets: ReadonlyMap<string, number>, name: string): number {
  const offset = offsets.get(name);
  if (offset === undefined) return kafkaUnavailable(new Error(`it says nothing of ${name}`));
  return offset;
}

function nameOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
