import { assert } from '@breakwater/twin';
import { LineParts, type LineSpan } from '@breakwater/wire';
import { compressionsAlgorithms, crc32c } from '@platformatic/kafka';

import { BATCH_AT, BATCH_HEADER_LENGTH, BATCH_MAGIC } from './record-batch-layout.ts';

export type RecordCompression = 'none' | 'lz4' | 'zstd' | 'gzip';

export interface BatchToEncode {
  /** Record lines, joined by `\n`. */
  readonly body: Buffer;
  readonly recordCount: number;
  /** Of each line, its `ce_id`. */
  readonly recordIds?: readonly string[] | undefined;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly nowMs: number;
}

export interface BatchEncoderOptions {
  readonly compression: RecordCompression;
  /** For `ce_type`: the topic's name says whose records these are. */
  readonly eventTypePrefix: string;
  /** Headers cost about as many bytes as a small record; who has no other readers of the topics can leave them out. */
  readonly headers: boolean;
}

const NEWLINE = 0x0a;
const SLASH = 0x2f;
const NO_KEY = -1;
/** Smaller batches gain nothing. */
const COMPRESS_FROM_BYTES = 256;
/** Key, headers and lengths of a record, at most: the longest key is 192 bytes, and it is in `ce_source` once more. */
const RECORD_OVERHEAD_BYTES_MAX = 1_024;
const SCRATCH_BYTES_MIN = 256 * 1024;

/**
 * Makes one record per line: key `tenant/device`, the line as value, and CloudEvents' attributes as headers, so that
 * others can read the topics without knowing our lines. A line that is no record has neither key nor headers.
 *
 * It works on the bytes of the whole frame: nothing is allocated per record but the text of its `ce_id`.
 */
export class RecordBatchEncoder {
  readonly #options: BatchEncoderOptions;
  readonly #parts = new LineParts();
  readonly #fixedHeaders: Buffer;
  readonly #typePrefix: Buffer;
  /** Holds the records of one batch before they are compressed or copied out; it grows to the largest. */
  #scratch = Buffer.allocUnsafe(SCRATCH_BYTES_MIN);
  #at = 0;

  constructor(options: BatchEncoderOptions) {
    this.#options = options;
    this.#typePrefix = Buffer.from(`${options.eventTypePrefix}.`);
    this.#fixedHeaders = Buffer.concat([
      header('ce_specversion', Buffer.from('1.0')),
      header('content-type', Buffer.from('application/json')),
    ]);
  }

  encode(batch: BatchToEncode): Buffer {
    this.#encodeRecords(batch);
    const plain = this.#scratch.subarray(0, this.#at);
    const { compression } = this.#options;
    const algorithm = compression === 'none' || plain.length < COMPRESS_FROM_BYTES ? null : compression;
    const records = algorithm === null ? plain : compressionsAlgorithms[algorithm].compressSync(plain);
    const bytes = Buffer.allocUnsafe(BATCH_HEADER_LENGTH + records.length);
    bytes.set(records, BATCH_HEADER_LENGTH);
    writeHeader(bytes, batch, algorithm === null ? 0 : compressionsAlgorithms[algorithm].bitmask);
    return bytes;
  }

  #encodeRecords({ body, recordCount, recordIds, baseSequence, producerId }: BatchToEncode): void {
    this.#at = 0;
    this.#reserve(body.length + recordCount * RECORD_OVERHEAD_BYTES_MAX);
    let from = 0;
    for (let index = 0; index < recordCount; index += 1) {
      const newline = body.indexOf(NEWLINE, from);
      const to = newline < 0 ? body.length : newline;
      assert(newline >= 0 || index === recordCount - 1, 'a frame holds as many lines as it says');
      const id = recordIds?.[index] ?? `${producerId}.${baseSequence + index}`;
      this.#encodeRecord(body, { from, to }, { index, id });
      from = to + 1;
    }
    assert(from > body.length, 'a frame holds no more lines than it says');
  }

  #encodeRecord(body: Buffer, line: LineSpan, { index, id }: { readonly index: number; readonly id: string }): void {
    const isRecord = this.#parts.read(body, line.from, line.to);
    const { tenant, device } = this.#parts;
    const keyLength = isRecord ? tenant.to - tenant.from + 1 + device.to - device.from : NO_KEY;
    const withHeaders = isRecord && this.#options.headers;
    const headersAt = this.#at;
    // Headers are written first, behind the place where the record will be, because its length stands at its head.
    const headersFrom = headersAt + RECORD_OVERHEAD_BYTES_MAX / 2 + (line.to - line.from);
    const headersLength = withHeaders ? this.#writeHeaders(body, headersFrom, id) : this.#writeNoHeaders(headersFrom);
    const valueLength = line.to - line.from;
    const length =
      2 + // attributes and the difference of time
      varintLength(index) +
      varintLength(keyLength) +
      Math.max(keyLength, 0) +
      varintLength(valueLength) +
      valueLength +
      headersLength;
    this.#at = headersAt;
    this.#varint(length);
    this.#scratch[this.#at++] = 0;
    this.#scratch[this.#at++] = 0;
    this.#varint(index);
    this.#varint(keyLength);
    if (isRecord) this.#writeKey(body);
    this.#varint(valueLength);
    this.#copy(body, line);
    this.#scratch.copyWithin(this.#at, headersFrom, headersFrom + headersLength);
    this.#at += headersLength;
  }

  #writeKey(body: Buffer): void {
    this.#copy(body, this.#parts.tenant);
    this.#scratch[this.#at++] = SLASH;
    this.#copy(body, this.#parts.device);
  }

  #writeNoHeaders(at: number): number {
    this.#scratch[at] = 0;
    return 1;
  }

  #writeHeaders(body: Buffer, at: number, id: string): number {
    const { kind, tenant, device, traceparent } = this.#parts;
    this.#at = at;
    this.#varint(traceparent.to > traceparent.from ? HEADER_COUNT + 1 : HEADER_COUNT);
    this.#scratch.set(this.#fixedHeaders, this.#at);
    this.#at += this.#fixedHeaders.length;
    this.#bytes(CE_TYPE);
    this.#varint(this.#typePrefix.length + kind.to - kind.from);
    this.#bytes(this.#typePrefix);
    this.#copy(body, kind);
    this.#bytes(CE_SOURCE);
    this.#varint(TENANTS.length + tenant.to - tenant.from + DEVICES.length + device.to - device.from);
    this.#bytes(TENANTS);
    this.#copy(body, tenant);
    this.#bytes(DEVICES);
    this.#copy(body, device);
    this.#bytes(CE_ID);
    this.#varint(id.length);
    this.#at += this.#scratch.write(id, this.#at, 'latin1');
    if (traceparent.to > traceparent.from) {
      this.#bytes(TRACEPARENT);
      this.#varint(traceparent.to - traceparent.from);
      this.#copy(body, traceparent);
    }
    return this.#at - at;
  }

  #bytes(bytes: Buffer): void {
    this.#scratch.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #copy(bytes: Buffer, { from, to }: LineSpan): void {
    bytes.copy(this.#scratch, this.#at, from, to);
    this.#at += to - from;
  }

  #varint(value: number): void {
    let rest = zigzag(value);
    while (rest > 0x7f) {
      this.#scratch[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#scratch[this.#at++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafe(bytes);
  }
}

/** Two fixed ones, `ce_type`, `ce_source` and `ce_id`. */
const HEADER_COUNT = 5;
const TENANTS = Buffer.from('/tenants/');
const DEVICES = Buffer.from('/devices/');
const CE_TYPE = headerName('ce_type');
const CE_SOURCE = headerName('ce_source');
const CE_ID = headerName('ce_id');
const TRACEPARENT = headerName('traceparent');

function headerName(name: string): Buffer {
  return Buffer.concat([Buffer.from([zigzag(name.length)]), Buffer.from(name)]);
}

function header(name: string, value: Buffer): Buffer {
  return Buffer.concat([headerName(name), Buffer.from([zigzag(value.length)]), value]);
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

function varintLength(value: number): number {
  const bits = 32 - Math.clz32(zigzag(value) | 1);
  return Math.ceil(bits / 7);
}

function writeHeader(bytes: Buffer, batch: BatchToEncode, compression: number): void {
  const now = BigInt(batch.nowMs);
  bytes.writeBigInt64BE(0n, BATCH_AT.baseOffset);
  bytes.writeInt32BE(bytes.length - BATCH_AT.leaderEpoch, BATCH_AT.length);
  bytes.writeInt32BE(-1, BATCH_AT.leaderEpoch);
  bytes.writeInt8(BATCH_MAGIC, BATCH_AT.magic);
  bytes.writeInt16BE(compression, BATCH_AT.attributes);
  bytes.writeInt32BE(batch.recordCount - 1, BATCH_AT.lastOffsetDelta);
  bytes.writeBigInt64BE(now, BATCH_AT.baseTimestamp);
  bytes.writeBigInt64BE(now, BATCH_AT.maxTimestamp);
  bytes.writeBigInt64BE(batch.producerId, BATCH_AT.producerId);
  bytes.writeInt16BE(batch.producerEpoch, BATCH_AT.producerEpoch);
  bytes.writeInt32BE(batch.baseSequence, BATCH_AT.baseSequence);
  bytes.writeInt32BE(batch.recordCount, BATCH_AT.recordCount);
  bytes.writeUInt32BE(crc32c(bytes.subarray(BATCH_AT.attributes)), BATCH_AT.crc);
}
