import { describe, expect, it } from '@jest/globals';
import { createRecordsBatch, Reader, readRecordsBatch } from '@platformatic/kafka';

import { decodeRecordBatches } from './record-batch-decoder.ts';
import { type RecordCompression, RecordBatchEncoder } from './record-batch-encoder.ts';

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const line = (device: string, trace = ''): string =>
  `{"v":1,"k":"telemetry","day":1,"tenant":"acme","device":"${device}","inc":1,"se":2,"pid":3,"dg":4,"id":"","ra":5,` +
  `"tp":"${trace}","p":[]}`;

function encoded(lines: readonly string[], compression: RecordCompression = 'none', headers = true): Buffer {
  return new RecordBatchEncoder({ compression, eventTypePrefix: 'breakwater', headers }).encode({
    body: Buffer.from(lines.join('\n')),
    recordCount: lines.length,
    producerId: 77n,
    producerEpoch: 3,
    baseSequence: 100,
    nowMs: 1_700_000_000_000,
  });
}

const decodedByClient = (batch: Buffer) => readRecordsBatch(Reader.from(batch));

describe('a record batch', () => {
  it("is what the client library's own reader reads, with key, value and headers", () => {
    const batch = decodedByClient(encoded([line('pump-1', TRACE), 'not a record']));
    expect(batch).toMatchObject({ producerId: 77n, producerEpoch: 3, firstSequence: 100, lastOffsetDelta: 1 });
    const [first, second] = batch.records.map(({ key, value, headers }) => ({
      key: key?.toString() ?? null,
      value: value?.toString(),
      headers: Object.fromEntries(headers.map(([name, text]) => [name?.toString(), text?.toString()])),
    }));
    expect(first).toEqual({
      key: 'acme/pump-1',
      value: line('pump-1', TRACE),
      headers: {
        ce_specversion: '1.0',
        'content-type': 'application/json',
        ce_type: 'breakwater.telemetry',
        ce_source: '/tenants/acme/devices/pump-1',
        ce_id: '77.100',
        traceparent: TRACE,
      },
    });
    expect(second).toEqual({ key: null, value: 'not a record', headers: {} });
  });

  it('is byte for byte what the client library makes of the same records without headers', () => {
    const lines = ['a', line('x'.repeat(70)), 'ä', 'y'.repeat(20_000)];
    const own = encoded(lines, 'none', false);
    const messages = lines.map((value, index) => ({
      topic: 't',
      key: index === 1 ? Buffer.from(`acme/${'x'.repeat(70)}`) : (undefined as unknown as Buffer),
      value: Buffer.from(value),
      headers: new Map<Buffer, Buffer>(),
      timestamp: 1_700_000_000_000n,
    }));
    const options = { producerId: 77n, producerEpoch: 3, sequences: { getWithDefault: () => 100 } } as never;
    const theirs = createRecordsBatch(messages as never, options).buffer;
    theirs.writeInt32BE(-1, 12);
    expect(own.equals(theirs)).toBe(true);
  });

  it.each<RecordCompression>(['none', 'lz4', 'zstd', 'gzip'])('comes back as the frame that it was, with %s', (how) => {
    const lines = Array.from({ length: 300 }, (_, index) => line(`pump-${index}`, index % 2 === 0 ? TRACE : ''));
    const bytes = Buffer.concat([encoded(lines, how), encoded(['ä', 'b'], how)]);
    bytes.writeBigInt64BE(300n, encoded(lines, how).length);
    const { frames } = decodeRecordBatches(bytes);
    expect(frames.map(({ firstOffset, lastOffset }) => [firstOffset, lastOffset])).toEqual([
      [0, 299],
      [300, 301],
    ]);
    expect(frames.map(({ body }) => body.toString())).toEqual([lines.join('\n'), 'ä\nb']);
    expect(frames[0]?.appendedAtMs).toBe(1_700_000_000_000);
  });

  it('that was cut off at the end of an answer is left for the next one', () => {
    const bytes = Buffer.concat([encoded(['a']), encoded(['b'])]);
    expect(decodeRecordBatches(bytes.subarray(0, bytes.length - 1))).toMatchObject({ frames: [{}], error: null });
    expect(decodeRecordBatches(bytes.subarray(0, 10))).toEqual({ frames: [], error: null });
  });

  it('that is not ours is refused by name, behind what is', () => {
    const refused = { frames: [{ firstOffset: 0 }], error: { code: 'LOG_BATCH_UNREADABLE' } };
    const behind = (bytes: Buffer): unknown => decodeRecordBatches(Buffer.concat([encoded(['ours']), bytes]));
    const damaged = encoded(['a', 'b']);
    damaged[damaged.length - 1]! ^= 1;
    expect(behind(damaged)).toMatchObject(refused);
    const foreign = (record: object): Buffer => {
      const message = { topic: 't', headers: new Map(), timestamp: 1n, ...record };
      return createRecordsBatch([message] as never, {}).buffer;
    };
    expect(behind(foreign({ value: Buffer.from('two\nlines') }))).toMatchObject(refused);
    expect(behind(foreign({ key: Buffer.from('k'), value: null }))).toMatchObject(refused);
    expect(behind(foreign({ value: Buffer.from('one line') }))).toMatchObject({ frames: [{}, {}], error: null });
  });
});
