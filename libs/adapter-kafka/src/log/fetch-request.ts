import { type Reader, Writer } from '@platformatic/kafka';

import type { BrokerRequest } from './broker-connections.ts';
import { type DecodedBatches, decodeRecordBatches } from './record-batch-decoder.ts';

export interface PartitionToFetch {
  readonly topicId: string;
  readonly partition: number;
  readonly from: number;
}

export interface FetchLimits {
  /** How long the broker waits for the first byte. */
  readonly waitMs: number;
  readonly partitionBytesMax: number;
  readonly bytesMax: number;
}

export interface FetchedPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly errorCode: number;
  /** The offset behind the last record that may be read. */
  readonly end: number;
  /** How much is to be unpacked. */
  readonly bytes: number;
  /** Unpacks what came. That takes time, and an answer may have many partitions: so it is left to whoever asked. */
  readonly decode: () => DecodedBatches;
}

export interface FetchAnswer {
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

/** Topics go by their ids from this version on: one that was made anew under the same name is another. */
const FETCH = { apiKey: 1, apiVersion: 13 } as const;
const CONSUMER_REPLICA_ID = -1;
const READ_UNCOMMITTED = 0;
/** Each request says everything; a session would have to be kept in step over reconnects. */
const NO_SESSION = { id: 0, epoch: -1 };
const UNKNOWN_EPOCH = -1;

export function fetchRequest(partitions: readonly PartitionToFetch[], limits: FetchLimits): BrokerRequest<FetchAnswer> {
  const topicIds = [...new Set(partitions.map(({ topicId }) => topicId))];
  const byTopic = topicIds.map((id) => [id, partitions.filter(({ topicId }) => topicId === id)] as const);
  const payload = Writer.create()
    .appendInt32(CONSUMER_REPLICA_ID)
    .appendInt32(Math.ceil(limits.waitMs))
    .appendInt32(1)
    .appendInt32(limits.bytesMax)
    .appendInt8(READ_UNCOMMITTED)
    .appendInt32(NO_SESSION.id)
    .appendInt32(NO_SESSION.epoch)
    .appendArray(byTopic, (topicWriter, [topicId, ofTopic]) => {
      topicWriter.appendUUID(topicId).appendArray(ofTopic, (writer, { partition, from }) => {
        writer
          .appendInt32(partition)
          .appendInt32(UNKNOWN_EPOCH)
          .appendInt64(BigInt(from))
          .appendInt32(UNKNOWN_EPOCH)
          .appendInt64(-1n)
          .appendInt32(limits.partitionBytesMax);
      });
    })
    .appendArray([], () => undefined)
    .appendString('')
    .appendTaggedFields();
  return { ...FETCH, payload, parse: parseAnswer };
}

function parseAnswer(reader: Reader): FetchAnswer {
  reader.readInt32();
  const errorCode = reader.readInt16();
  reader.readInt32();
  const topics = reader.readArray((topicReader) => {
    const topicId = topicReader.readUUID();
    return topicReader.readArray((partitionReader) => parsePartition(topicId, partitionReader));
  });
  return { errorCode, partitions: topics.flat() };
}

function parsePartition(topicId: string, reader: Reader): FetchedPartition {
  const partition = reader.readInt32();
  const errorCode = reader.readInt16();
  const end = Number(reader.readInt64());
  reader.readInt64();
  reader.readInt64();
  reader.readNullableArray((abortedReader) => {
    abortedReader.readInt64();
    abortedReader.readInt64();
  });
  reader.readInt32();
  const length = Math.max(0, reader.readUnsignedVarInt() - 1);
  const bytes = reader.buffer.slice(reader.position, reader.position + length);
  reader.skip(length);
  return { topicId, partition, errorCode, end, bytes: bytes.length, decode: () => decodeRecordBatches(bytes) };
}
