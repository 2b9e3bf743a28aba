import { type Reader, Writer } from '@platformatic/kafka';

import type { BrokerRequest } from './broker-connections.ts';

export interface BatchToProduce {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface ProduceAnswer {
  readonly topic: string;
  readonly partition: number;
  /** 0 when it was appended, now or by an earlier attempt. */
  readonly errorCode: number;
  readonly baseOffset: number;
  /** When the topic keeps the time of the append; else -1. */
  readonly appendedAtMs: number;
  readonly detail: string;
}

const PRODUCE = { apiKey: 0, apiVersion: 9 } as const;
/** Every replica that keeps up, `min.insync.replicas` at least. */
const ACKS_ALL = -1;

/** Batches of different partitions in one request. A partition stands in it once. */
export function produceRequest(
  batches: readonly BatchToProduce[],
  ackTimeoutMs: number,
): BrokerRequest<ProduceAnswer[]> {
  const topics = [...new Set(batches.map(({ topic }) => topic))];
  const byTopic = topics.map((topic) => [topic, batches.filter((batch) => batch.topic === topic)] as const);
  const payload = Writer.create()
    .appendString(null)
    .appendInt16(ACKS_ALL)
    .appendInt32(ackTimeoutMs)
    .appendArray(byTopic, (topicWriter, [topic, ofTopic]) => {
      topicWriter.appendString(topic).appendArray(ofTopic, (writer, { partition, bytes }) => {
        writer
          .appendInt32(partition)
          .appendUnsignedVarInt(bytes.length + 1)
          .append(bytes);
      });
    })
    .appendTaggedFields();
  return { ...PRODUCE, payload, parse: parseAnswer };
}

function parseAnswer(reader: Reader): ProduceAnswer[] {
  const topics = reader.readArray((topicReader) => {
    const topic = topicReader.readString();
    return topicReader.readArray((partitionReader) => parsePartition(topic, partitionReader));
  });
  reader.readInt32();
  return topics.flat();
}

function parsePartition(topic: string, reader: Reader): ProduceAnswer {
  const partition = reader.readInt32();
  const errorCode = reader.readInt16();
  const baseOffset = Number(reader.readInt64());
  const appendedAtMs = Number(reader.readInt64());
  reader.readInt64();
  reader.readArray((recordReader) => {
    recordReader.readInt32();
    recordReader.readNullableString();
  });
  const detail = reader.readNullableString() ?? '';
  return { topic, partition, errorCode, baseOffset, appendedAtMs, detail };
}
