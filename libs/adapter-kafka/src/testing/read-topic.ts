import { Admin, Consumer, ListOffsetTimestamps } from '@platformatic/kafka';

/** A record as a consumer sees it who knows nothing of the platform. */
export interface TopicRecord {
  readonly key: string;
  readonly partition: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

const CLIENT_ID = 'plain-consumer';

/** All that a topic holds at the moment, read by the client library's own consumer, in a group of its own. */
export async function readTopic(bootstrapBrokers: string[], topic: string): Promise<readonly TopicRecord[]> {
  const records: TopicRecord[] = [];
  const count = await recordsIn(bootstrapBrokers, topic);
  if (count === 0) return records;
  const groupId = `${CLIENT_ID}-${topic}-${Date.now()}`;
  const consumer = new Consumer({ groupId, clientId: CLIENT_ID, bootstrapBrokers });
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false });
    for await (const { key, value, headers, partition } of stream) {
      const named = Array.from(headers, ([name, bytes]): [string, string] => [String(name), String(bytes)]);
      records.push({ key: String(key), partition, headers: Object.fromEntries(named), value: String(value) });
      if (records.length === count) break;
    }
  } finally {
    await consumer.close(true);
  }
  return records;
}

async function recordsIn(bootstrapBrokers: string[], topic: string): Promise<number> {
  const admin = new Admin({ clientId: CLIENT_ID, bootstrapBrokers });
  try {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
    const indexes = topics.get(topic)!.partitions.map((_, index) => index);
    const sumAt = async (timestamp: bigint): Promise<number> => {
      const partitions = indexes.map((partitionIndex) => ({ partitionIndex, timestamp }));
      const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
      return found!.partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
    };
    return (await sumAt(ListOffsetTimestamps.LATEST)) - (await sumAt(ListOffsetTimestamps.EARLIEST));
  } finally {
    await admin.close();
  }
}
