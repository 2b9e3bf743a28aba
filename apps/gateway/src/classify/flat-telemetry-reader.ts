import { FLAT_PAYLOAD_BYTES_MAX, FLAT_VALUES_MAX, FlatPoint, LIMITS, ValueGroup } from '@breakwater/wire';

import { isTakenAsItIs } from './device-time.ts';

/** Decimal digits of which a double keeps every one, so that the shortest form of the number has the same. */
const EXACT_DIGITS = 15;
/** With one more of them behind `0.` JavaScript writes an exponent. */
const LEADING_ZEROS_MAX = 5;
const KEY_BYTES_MAX = 64;

const Byte = {
  tab: 0x09,
  lineFeed: 0x0a,
  return: 0x0d,
  space: 0x20,
  quote: 0x22,
  comma: 0x2c,
  minus: 0x2d,
  point: 0x2e,
  zero: 0x30,
  one: 0x31,
  nine: 0x39,
  colon: 0x3a,
  upperE: 0x45,
  backslash: 0x5c,
  lowerE: 0x65,
  braceStart: 0x7b,
  braceEnd: 0x7d,
  printableLast: 0x7e,
} as const;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const IS_KEY_BYTE = new Uint8Array(256);
for (const byte of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-'))
  IS_KEY_BYTE[byte] = 1;

const ID = Buffer.from('id');
const TS = Buffer.from('ts');
const VALUES = Buffer.from('values');

const EMPTY = Buffer.alloc(0);

/**
 * Reads the telemetry that nearly all devices send, `{"k":v,…}` and `{"id":…,"ts":ms,"values":{"k":v,…}}` with values
 * of one word, in one pass over its bytes. It knows no refusals: what it does not take, be it wrong or only unusual, is
 * left to `classify`, and what it takes is what `classify` would make of it, to the byte. A property test holds the two
 * together.
 */
export class FlatTelemetryReader {
  readonly #point = new FlatPoint();
  readonly #hashes = new Int32Array(FLAT_VALUES_MAX);
  #bytes: Buffer = EMPTY;
  #at = 0;
  #count = 0;
  #idIndex = -1;
  #tsIndex = -1;
  #innerFirst = -1;
  #innerEnd = -1;

  /** Null: it is to be read in the general way. The point is good until the next call. */
  read(payload: Buffer, receivedAtMs: number): FlatPoint | null {
    if (payload.length > FLAT_PAYLOAD_BYTES_MAX) return null;
    this.#bytes = payload;
    this.#at = 0;
    this.#count = 0;
    this.#idIndex = -1;
    this.#tsIndex = -1;
    this.#innerFirst = -1;
    const isRead = this.#object(false) && this.#atEnd() && this.#interpret(receivedAtMs);
    this.#bytes = EMPTY;
    return isRead ? this.#point : null;
  }

  #interpret(receivedAtMs: number): boolean {
    const point = this.#point;
    point.source = this.#bytes;
    point.idStart = 0;
    point.idEnd = 0;
    if (this.#innerFirst < 0) {
      point.tsMs = receivedAtMs;
      point.first = 0;
      point.end = this.#count;
      return true;
    }
    const hasId = this.#idIndex >= 0;
    const outerCount = this.#count - (this.#innerEnd - this.#innerFirst);
    // Beside `values` stands `ts`, and perhaps `id`.
    if (this.#tsIndex < 0 || outerCount !== (hasId ? 2 : 1)) return false;
    if (hasId && !this.#readId(this.#idIndex)) return false;
    point.tsMs = this.#wholeNumber(this.#tsIndex);
    point.first = this.#innerFirst;
    point.end = this.#innerEnd;
    return isTakenAsItIs(point.tsMs, receivedAtMs);
  }

  /** A text, or a number that is written as the text of it. */
  #readId(index: number): boolean {
    const point = this.#point;
    if (point.group(index) === ValueGroup.boolean) return false;
    if (point.group(index) === ValueGroup.number && this.#wholeNumber(index) < 0) return false;
    point.idStart = point.valueStart(index);
    point.idEnd = point.valueEnd(index);
    const length = point.idEnd - point.idStart;
    return length > 0 && length <= LIMITS.messageIdBytesMax;
  }

  /** -1 for what is none. */
  #wholeNumber(index: number): number {
    if (this.#point.group(index) !== ValueGroup.number) return -1;
    let value = 0;
    for (let at = this.#point.valueStart(index); at < this.#point.valueEnd(index); at++) {
      const byte = this.#bytes[at] as number;
      if (byte < Byte.zero || byte > Byte.nine) return -1;
      value = value * 10 + byte - Byte.zero;
    }
    return value;
  }

  #object(isInner: boolean): boolean {
    if (!this.#takes(Byte.braceStart)) return false;
    const first = this.#count;
    do {
      if (!this.#member(isInner, first)) return false;
    } while (this.#takes(Byte.comma));
    return this.#takes(Byte.braceEnd);
  }

  #member(isInner: boolean, first: number): boolean {
    const index = this.#count;
    if (index === FLAT_VALUES_MAX || !this.#takes(Byte.quote) || !this.#key(index, first)) return false;
    if (!this.#takes(Byte.colon)) return false;
    this.#skipSpace();
    if (isInner) return this.#value(index);
    if (this.#isKey(index, VALUES)) {
      // Beside `ts` this is a point with a time; alone, or as one word, it is a rarity.
      if (this.#innerFirst >= 0) return false;
      this.#innerFirst = index;
      const isObject = this.#object(true);
      this.#innerEnd = this.#count;
      return isObject;
    }
    // The member is counted by its value, so its index is known.
    if (this.#isKey(index, TS)) this.#tsIndex = this.#tsIndex < 0 ? index : FLAT_VALUES_MAX;
    else if (this.#isKey(index, ID)) this.#idIndex = this.#idIndex < 0 ? index : FLAT_VALUES_MAX;
    return this.#tsIndex < FLAT_VALUES_MAX && this.#idIndex < FLAT_VALUES_MAX && this.#value(index);
  }

  /** Numbers as keys come out of a parsed object before all others, and equal keys as one: both are left alone. */
  #key(index: number, first: number): boolean {
    const start = this.#at;
    const bytes = this.#bytes;
    let at = start;
    let hash = 0;
    while (IS_KEY_BYTE[bytes[at] as number] === 1) hash = (Math.imul(hash, 31) + (bytes[at++] as number)) | 0;
    const initial = bytes[start] as number;
    if (at === start || at - start > KEY_BYTES_MAX || (initial >= Byte.zero && initial <= Byte.nine)) return false;
    if (bytes[at] !== Byte.quote) return false;
    for (let other = first; other < index; other++) if (this.#hashes[other] === hash) return false;
    this.#hashes[index] = hash;
    this.#point.setKey(index, start, at);
    this.#at = at + 1;
    return true;
  }

  #isKey(index: number, name: Uint8Array): boolean {
    const start = this.#point.keyStart(index);
    if (this.#point.keyEnd(index) - start !== name.length) return false;
    for (let at = 0; at < name.length; at++) if (this.#bytes[start + at] !== name[at]) return false;
    return true;
  }

  #value(index: number): boolean {
    this.#count = index + 1;
    const byte = this.#bytes[this.#at] as number;
    if (byte === Byte.minus || (byte >= Byte.zero && byte <= Byte.nine)) return this.#number(index);
    if (byte === Byte.quote) return this.#string(index);
    return this.#word(index, TRUE) || this.#word(index, FALSE);
  }

  #word(index: number, word: Uint8Array): boolean {
    const start = this.#at;
    for (let at = 0; at < word.length; at++) if (this.#bytes[start + at] !== word[at]) return false;
    this.#at = start + word.length;
    this.#point.setValue(index, start, this.#at);
    this.#point.setGroup(index, ValueGroup.boolean);
    return true;
  }

  #string(index: number): boolean {
    const start = this.#at + 1;
    const bytes = this.#bytes;
    let at = start;
    for (; bytes[at] !== Byte.quote; at++) {
      const byte = bytes[at];
      if (byte === undefined || byte < Byte.space || byte > Byte.printableLast || byte === Byte.backslash) return false;
    }
    this.#at = at + 1;
    this.#point.setValue(index, start, at);
    this.#point.setGroup(index, ValueGroup.string);
    return true;
  }

  /** Takes numbers whose digits stay as they are, but for zeros at the end of a fraction. */
  #number(index: number): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    const whole = bytes[start] === Byte.minus ? start + 1 : start;
    const wholeEnd = digitsEnd(bytes, whole);
    const isZero = bytes[whole] === Byte.zero;
    if (wholeEnd === whole || (isZero && wholeEnd > whole + 1)) return false;
    let end = wholeEnd;
    let at = wholeEnd;
    if (bytes[at] === Byte.point) {
      const fraction = wholeEnd + 1;
      at = digitsEnd(bytes, fraction);
      if (at === fraction) return false;
      end = at;
      while (end > fraction && bytes[end - 1] === Byte.zero) end--;
      if (end === fraction) end = wholeEnd;
      if (isZero && zerosFrom(bytes, fraction) > LEADING_ZEROS_MAX && end > wholeEnd) return false;
    }
    if (bytes[at] === Byte.lowerE || bytes[at] === Byte.upperE) return false;
    // A negative zero is written without its sign. The point is no digit; to count it only leaves one more to others.
    if ((isZero && end === wholeEnd && whole > start) || end - whole > EXACT_DIGITS) return false;
    this.#at = at;
    this.#point.setValue(index, start, end);
    this.#point.setGroup(index, ValueGroup.number);
    return true;
  }

  #takes(byte: number): boolean {
    this.#skipSpace();
    if (this.#bytes[this.#at] !== byte) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    for (; ; this.#at++) {
      const byte = this.#bytes[this.#at] as number;
      if (byte !== Byte.space && byte !== Byte.lineFeed && byte !== Byte.return && byte !== Byte.tab) return;
    }
  }

  #atEnd(): boolean {
    this.#skipSpace();
    return this.#at === this.#bytes.length;
  }
}

function digitsEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while ((bytes[at] as number) >= Byte.zero && (bytes[at] as number) <= Byte.nine) at++;
  return at;
}

function zerosFrom(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === Byte.zero) at++;
  return at - start;
}
