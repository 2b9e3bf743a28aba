import type { Offset } from '@breakwater/twin';
import { type LogFrame, PlatformError } from '@breakwater/twin-runtime';
import { compressionsAlgorithmsByBitmask, crc32c } from '@platformatic/kafka';

import { BATCH_AT, BATCH_ATTRIBUTES, BATCH_HEADER_LENGTH, BATCH_MAGIC } from './record-batch-layout.ts';

export interface DecodedBatches {
  readonly frames: readonly LogFrame[];
  /** Why the batch behind them cannot be read. */
  readonly error: Error | null;
}

const NEWLINE = 0x0a;

/**
 * Reads the batches of a fetch, each as one frame. The last one may have been cut off, and comes again next time.
 *
 * Only what this platform writes is read: every offset of a batch is a record, and every record is one line. A marker
 * of a transaction, what compaction has left of a batch, or a record of somebody else is refused by name
 * (`LOG_BATCH_UNREADABLE`). To pass over it would count offsets as records that never were.
 */
export function decodeRecordBatches(bytes: Buffer): DecodedBatches {
  const frames: LogFrame[] = [];
  for (let at = 0; at + BATCH_HEADER_LENGTH <= bytes.length;) {
    const end = at + BATCH_AT.leaderEpoch + bytes.readInt32BE(at + BATCH_AT.length);
    if (end > bytes.length) break;
    try {
      frames.push(decodeBatch(bytes.subarray(at, end)));
    } catch (error) {
      return { frames, error: error as Error };
    }
    at = end;
  }
  return { frames, error: null };
}

function decodeBatch(batch: Buffer): LogFrame {
  const firstOffset = Number(batch.readBigInt64BE(BATCH_AT.baseOffset));
  const refuse = (reason: string): never => {
    throw new PlatformError('LOG_BATCH_UNREADABLE', `the batch at offset ${firstOffset} is not ours: ${reason}`, {
      details: { firstOffset, reason },
    });
  };
  if (batch.readInt8(BATCH_AT.magic) !== BATCH_MAGIC) refuse('its format is older than 2');
  if (crc32c(batch.subarray(BATCH_AT.attributes)) !== batch.readUInt32BE(BATCH_AT.crc)) refuse('its checksum is wrong');
  const attributes = batch.readInt16BE(BATCH_AT.attributes);
  if ((attributes & BATCH_ATTRIBUTES.control) !== 0) refuse('it marks the end of a transaction');
  const count = batch.readInt32BE(BATCH_AT.recordCount);
  const lastOffsetDelta = batch.readInt32BE(BATCH_AT.lastOffsetDelta);
  if (count !== lastOffsetDelta + 1) refuse(`it holds ${count} records for ${lastOffsetDelta + 1} offsets`);
  const compression = attributes & BATCH_ATTRIBUTES.compression;
  const records = decompressed(batch.subarray(BATCH_HEADER_LENGTH), compression);
  const body = joinValues(records, count, refuse);
  const timeAt = BATCH_AT[(attributes & BATCH_ATTRIBUTES.logAppendTime) === 0 ? 'baseTimestamp' : 'maxTimestamp'];
  return {
    firstOffset: firstOffset as Offset,
    lastOffset: (firstOffset + lastOffsetDelta) as Offset,
    appendedAtMs: Number(batch.readBigInt64BE(timeAt)),
    body,
  };
}

function decompressed(records: Buffer, compression: number): Buffer {
  if (compression === 0) return records;
  const algorithm = compressionsAlgorithmsByBitmask[compression];
  if (algorithm === undefined) {
    throw new PlatformError('LOG_BATCH_UNREADABLE', `compression ${compression} is not known to this build`);
  }
  return algorithm.decompressSync(records);
}

/** The values, joined by `\n`: a frame's body. */
function joinValues(records: Buffer, count: number, refuse: (reason: string) => never): Buffer {
  const spans = new Int32Array(2 * count);
  const cursor = new VarintCursor(records);
  let bytes = count - 1;
  for (let index = 0; index < count; index += 1) {
    const length = cursor.next();
    const end = cursor.at + length;
    cursor.at += 1;
    cursor.next();
    if (cursor.next() !== index) refuse('an offset of it has no record');
    const keyLength = cursor.next();
    cursor.at += Math.max(keyLength, 0);
    const valueLength = cursor.next();
    if (valueLength < 0) refuse('a record of it has no value');
    spans[2 * index] = cursor.at;
    spans[2 * index + 1] = cursor.at + valueLength;
    bytes += valueLength;
    cursor.at = end;
  }
  const body = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const from = spans[2 * index]!;
    const to = spans[2 * index + 1]!;
    if (index > 0) body[at++] = NEWLINE;
    at += records.copy(body, at, from, to);
  }
  if (linesOf(body) !== count) refuse('a record of it is more than one line');
  return body;
}

function linesOf(body: Buffer): number {
  let lines = 1;
  for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

/** Reads zigzag varints of 64 bits at most, of which only those that fit into a number are used. */
class VarintCursor {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
      factor *= 0x80;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
