import { isUtf8 } from 'node:buffer';

import type { JsonValue } from '@breakwater/twin';

import { PayloadRefused } from './payload-refused.ts';

/**
 * Reads CBOR (RFC 8949) as far as it has a JSON form, and refuses the rest: byte strings, tags, `undefined`, integers
 * that a double cannot hold exactly, NaN and Infinity. It is our own because every length in the input is a claim of
 * the sender: here no claim is believed before the bytes are there, depth is bounded, and no extension can be reached.
 */
export function readCbor(bytes: Uint8Array, depthMax: number): JsonValue {
  const reader = new CborReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), depthMax);
  return reader.document();
}

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;
const INDEFINITE = 31;
const BREAK = 0xff;
/** Up to so many bytes a loop in JavaScript is faster than a call for the general check of UTF-8. */
const ASCII_SCAN_MAX = 64;
/** "This is CBOR": the one tag that says nothing about the value behind it. */
const SELF_DESCRIBED_TAG = 55_799;

class CborReader {
  readonly #bytes: Buffer;
  readonly #depthMax: number;
  #at = 0;

  constructor(bytes: Buffer, depthMax: number) {
    this.#bytes = bytes;
    this.#depthMax = depthMax;
  }

  document(): JsonValue {
    if (this.#bytes.length > 2 && this.#bytes[0] === 0xd9 && this.#bytes.readUInt16BE(1) === SELF_DESCRIBED_TAG) {
      this.#at = 3;
    }
    const value = this.#value(0);
    if (this.#at !== this.#bytes.length) throw malformed('bytes are left after the CBOR value');
    return value;
  }

  #value(depth: number): JsonValue {
    const head = this.#byte();
    const major = head >> 5;
    const info = head & 31;
    switch (major) {
      case MAJOR.unsigned:
        return this.#argument(info);
      case MAJOR.negative:
        return exact(-1 - this.#argument(info));
      case MAJOR.text:
        return this.#text(info);
      case MAJOR.array:
        return this.#array(info, this.#deeper(depth));
      case MAJOR.map:
        return this.#map(info, this.#deeper(depth));
      case MAJOR.simple:
        return this.#simple(info);
      case MAJOR.bytes:
        throw malformed('CBOR byte strings have no JSON form');
      default:
        throw malformed('CBOR tags are not supported');
    }
  }

  #deeper(depth: number): number {
    if (depth >= this.#depthMax) throw new PayloadRefused('JSON_TOO_DEEP', `deeper than ${this.#depthMax} levels`);
    return depth + 1;
  }

  #array(info: number, depth: number): JsonValue {
    const items: JsonValue[] = [];
    for (let left = this.#count(info); left > 0; left -= 1) {
      if (this.#atBreak(info)) return items;
      items.push(this.#value(depth));
    }
    return items;
  }

  #map(info: number, depth: number): JsonValue {
    const object: Record<string, JsonValue> = {};
    for (let left = this.#count(info); left > 0; left -= 1) {
      if (this.#atBreak(info)) break;
      const key = this.#byte();
      if (key >> 5 !== MAJOR.text) throw malformed('a CBOR map key is no text');
      setOwn(object, this.#text(key & 31), this.#value(depth));
    }
    return object;
  }

  /** Items are read until the count is reached, or a break; every item takes a byte, so the input bounds the loop. */
  #count(info: number): number {
    return info === INDEFINITE ? Number.POSITIVE_INFINITY : this.#argument(info);
  }

  #atBreak(info: number): boolean {
    if (info !== INDEFINITE || this.#bytes[this.#at] !== BREAK) return false;
    this.#at += 1;
    return true;
  }

  #text(info: number): string {
    if (info !== INDEFINITE) return this.#chunk(this.#argument(info));
    let text = '';
    for (;;) {
      const head = this.#byte();
      if (head === BREAK) return text;
      if (head >> 5 !== MAJOR.text || (head & 31) === INDEFINITE)
        throw malformed('a CBOR text has a chunk of another type');
      text += this.#chunk(this.#argument(head & 31));
    }
  }

  #chunk(length: number): string {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('a CBOR text ends too early');
    const start = this.#at;
    this.#at = end;
    if (length <= ASCII_SCAN_MAX && this.#isAscii(start, end)) return this.#bytes.toString('latin1', start, end);
    if (!isUtf8(this.#bytes.subarray(start, end))) throw malformed('a CBOR text is not UTF-8');
    return this.#bytes.toString('utf8', start, end);
  }

  /** Keys and most values are: for them this loop costs less than the general check. */
  #isAscii(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) if ((this.#bytes[at] as number) > 0x7f) return false;
    return true;
  }

  #simple(info: number): JsonValue {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 25:
        return finite(halfToNumber(this.#bytes.readUInt16BE(this.#skip(2))));
      case 26:
        return finite(this.#bytes.readFloatBE(this.#skip(4)));
      case 27:
        return finite(this.#bytes.readDoubleBE(this.#skip(8)));
      default:
        throw malformed('a CBOR simple value has no JSON form');
    }
  }

  #argument(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.#byte();
    if (info === 25) return this.#bytes.readUInt16BE(this.#skip(2));
    if (info === 26) return this.#bytes.readUInt32BE(this.#skip(4));
    if (info === 27) return exact(Number(this.#bytes.readBigUInt64BE(this.#skip(8))));
    throw malformed('a CBOR head is reserved');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformed('the CBOR value ends too early');
    this.#at += 1;
    return byte;
  }

  /** Where the next so many bytes begin; they are there. */
  #skip(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw malformed('the CBOR value ends too early');
    this.#at = start + length;
    return start;
  }
}

/** A key `__proto__` is an own property like any other: assigned, it would be the prototype. */
function setOwn(object: Record<string, JsonValue>, key: string, value: JsonValue): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

function exact(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new PayloadRefused('TELEMETRY_VALUE_INVALID', 'an integer beyond 2^53 - 1 cannot be kept exactly');
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new PayloadRefused('TELEMETRY_VALUE_INVALID', 'NaN and Infinity are no values');
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function malformed(detail: string): PayloadRefused {
  return new PayloadRefused('PAYLOAD_MALFORMED', detail);
}
