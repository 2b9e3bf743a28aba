import { Reader, Writer } from '@platformatic/kafka';
import { describe, expect, it } from '@jest/globals';

import { type BatchToProduce, produceRequest } from './produce-request.ts';

const ACK_TIMEOUT_MS = 15_000;
const ALL_REPLICAS = -1;
const BATCHES: readonly BatchToProduce[] = [
  { topic: 'a.telemetry.v1', partition: 3, bytes: Buffer.from('three') },
  { topic: 'a.control.v1', partition: 3, bytes: Buffer.from('other lane') },
  { topic: 'a.telemetry.v1', partition: 5, bytes: Buffer.from('five') },
];

/** What a broker reads in it, by Kafka's description of the request. */
function asRead(batches: readonly BatchToProduce[]) {
  const reader = Reader.from(produceRequest(batches, ACK_TIMEOUT_MS).payload.buffer);
  const transaction = reader.readNullableString();
  const acks = reader.readInt16();
  const ackTimeoutMs = reader.readInt32();
  const produced = reader
    .readArray((topicReader) => {
      const topic = topicReader.readString();
      return topicReader.readArray((partitionReader): BatchToProduce => {
        const partition = partitionReader.readInt32();
        return { topic, partition, bytes: partitionReader.readBytes() };
      });
    })
    .flat();
  return { transaction, acks, ackTimeoutMs, produced };
}

describe('a request to produce', () => {
  it('is answered only when every replica that keeps up has what it brings', () => {
    // A leader alone forgets it when it dies, and the device has its PUBACK by then.
    expect(asRead(BATCHES)).toMatchObject({ acks: ALL_REPLICAS, ackTimeoutMs: ACK_TIMEOUT_MS });
    expect(asRead([])).toMatchObject({ acks: ALL_REPLICAS });
  });

  it('names each topic once, and brings every batch to its partition', () => {
    const { transaction, produced } = asRead(BATCHES);
    expect(transaction).toBeNull();
    expect(produced).toEqual([BATCHES[0], BATCHES[2], BATCHES[1]]);
  });

  it('reads the answer of each partition', () => {
    const answer = Writer.create()
      .appendArray(
        [['a.telemetry.v1', 3, 0, 41] as const],
        (topicWriter, [topic, partition, errorCode, baseOffset]) => {
          topicWriter.appendString(topic).appendArray([partition], (writer) => {
            writer.appendInt32(partition).appendInt16(errorCode).appendInt64(BigInt(baseOffset));
            writer
              .appendInt64(1_700n)
              .appendInt64(0n)
              .appendArray([], () => undefined);
            writer.appendString(null);
          });
        },
      )
      .appendInt32(0)
      .appendTaggedFields();
    expect(produceRequest([], ACK_TIMEOUT_MS).parse(Reader.from(answer.buffer))).toEqual([
      { topic: 'a.telemetry.v1', partition: 3, errorCode: 0, baseOffset: 41, appendedAtMs: 1_700, detail: '' },
    ]);
  });
});
