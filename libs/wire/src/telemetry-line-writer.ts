import { FLAT_PAYLOAD_BYTES_MAX, type FlatPoint, ValueGroup } from './flat-point.ts';

/** What a line says of its message beside its point and its sender. */
export interface FlatLineHeader {
  readonly packetId: number;
  readonly digest: number;
  readonly receivedAtMs: number;
}

/** Tenant, device and the names of the fields; a line is at most this much longer than the payload it was made from. */
const FRAME_BYTES_MAX = 1_024;
const SPLIT = 10_000_000;
const ZERO = 0x30;
const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const BRACE_END = 0x7d;

const DIGEST = Buffer.from(',"dg":');
const ID = Buffer.from(',"id":"');
const RECEIVED_AT = Buffer.from('","ra":');
const POINT = Buffer.from(',"tp":"","p":[{"ts":');
const LINE_END = Buffer.from('}]}');
const GROUPS = [
  [ValueGroup.number, Buffer.from(',"n":{')],
  [ValueGroup.string, Buffer.from(',"s":{')],
  [ValueGroup.boolean, Buffer.from(',"b":{')],
] as const;

/**
 * Writes the line of a flat telemetry record as bytes, equal to what `encodeRecord` makes of the same record, without a
 * string or an object in between. The bytes are good until the next call.
 */
export class TelemetryLineWriter {
  readonly #line = Buffer.allocUnsafeSlow(FLAT_PAYLOAD_BYTES_MAX + FRAME_BYTES_MAX);
  #length = 0;

  /** @param head as `telemetryLineHead` makes it, of the day of the point. */
  write(head: Uint8Array, { packetId, digest, receivedAtMs }: FlatLineHeader, point: FlatPoint): Uint8Array {
    this.#line.set(head, 0);
    this.#length = head.length;
    this.#number(packetId);
    this.#text(DIGEST);
    this.#number(digest);
    this.#text(ID);
    this.#copy(point.source, point.idStart, point.idEnd);
    this.#text(RECEIVED_AT);
    this.#number(receivedAtMs);
    this.#text(POINT);
    this.#number(point.tsMs);
    for (const [group, name] of GROUPS) this.#group(point, group, name);
    this.#text(LINE_END);
    return this.#line.subarray(0, this.#length);
  }

  #group(point: FlatPoint, group: ValueGroup, name: Uint8Array): void {
    let isEmpty = true;
    for (let index = point.first; index < point.end; index++) {
      if (point.group(index) !== group) continue;
      if (isEmpty) this.#text(name);
      else this.#byte(COMMA);
      isEmpty = false;
      this.#byte(QUOTE);
      this.#copy(point.source, point.keyStart(index), point.keyEnd(index));
      this.#byte(QUOTE);
      this.#byte(COLON);
      if (group === ValueGroup.string) this.#byte(QUOTE);
      this.#copy(point.source, point.valueStart(index), point.valueEnd(index));
      if (group === ValueGroup.string) this.#byte(QUOTE);
    }
    if (!isEmpty) this.#byte(BRACE_END);
  }

  #byte(byte: number): void {
    this.#line[this.#length++] = byte;
  }

  #text(bytes: Uint8Array): void {
    this.#copy(bytes, 0, bytes.length);
  }

  /** Byte by byte: for a few of them every call that copies costs more. */
  #copy(from: Uint8Array, start: number, end: number): void {
    const line = this.#line;
    let at = this.#length;
    for (let index = start; index < end; index++) line[at++] = from[index] as number;
    this.#length = at;
  }

  /** A whole number from 0 to 10^14, in two parts that fit 32 bits: dividing those is cheap. */
  #number(value: number): void {
    if (value < SPLIT) return this.#digits(value, digitsOf(value));
    const upper = Math.floor(value / SPLIT);
    this.#digits(upper, digitsOf(upper));
    this.#digits(value - upper * SPLIT, 7);
  }

  #digits(value: number, count: number): void {
    let rest = value | 0;
    for (let at = this.#length + count - 1; at >= this.#length; at--) {
      const next = (rest / 10) | 0;
      this.#line[at] = ZERO + rest - next * 10;
      rest = next;
    }
    this.#length += count;
  }
}

function digitsOf(value: number): number {
  let count = 1;
  for (let limit = 10; value >= limit; limit *= 10) count += 1;
  return count;
}
