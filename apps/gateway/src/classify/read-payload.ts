import { isUtf8 } from 'node:buffer';

import type { JsonValue } from '@breakwater/twin';
import type { PayloadFormat } from '@breakwater/twin-runtime';
import { LIMITS } from '@breakwater/wire';

import { PayloadRefused } from './payload-refused.ts';
import { readCbor } from './read-cbor.ts';

/** Bytes, and everything that says what they are. */
export interface EncodedPayload {
  readonly payload: Uint8Array;
  readonly contentType: string | null;
  /** What the device's profile says. */
  readonly payloadFormat: PayloadFormat;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const CBOR_TYPE = /^application\/(?:[\w.+-]+\+)?cbor\s*(?:;|$)/i;
const JSON_TYPE = /^(?:application\/(?:[\w.+-]+\+)?|text\/)json\s*(?:;|$)/i;
/** What a JSON text can start with: white space, a bracket, a quote, a number, `true`, `false`, `null`. */
const JSON_START = new Set(Buffer.from('\t\n\r [{"-0123456789tfn'));
const WHOLE_NUMBER = /^-?\d+$/;

/**
 * The JSON value of a payload, within the limits of depth and kind of number.
 * @throws PayloadRefused
 */
export function readPayload(encoded: EncodedPayload, depthMax: number = LIMITS.jsonDepthMax): JsonValue {
  const { payload } = encoded;
  const format = formatOf(encoded);
  if (format === 'cbor') return readCbor(payload, depthMax);
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes.length === 0) throw malformed('the payload is empty');
  if (format === 'opaque') throw malformed('the payload is neither JSON nor CBOR');
  if (!isUtf8(bytes)) throw malformed('the payload is not UTF-8');
  const text = bytes.toString('utf8');
  const value = parseJson(text);
  const found = checkValue(value, depthMax, text.includes('\\u'));
  if (found === 'mayBeRounded') checkWholeNumbers(text);
  return value;
}

/**
 * By content type, then by the device's profile, then by the first byte: a JSON text never starts with that of a CBOR
 * array or map, or with tag 55799. A content type that is neither says nothing.
 */
function formatOf({ payload, contentType, payloadFormat }: EncodedPayload): 'json' | 'cbor' | 'opaque' {
  if (contentType !== null) {
    if (CBOR_TYPE.test(contentType)) return 'cbor';
    if (JSON_TYPE.test(contentType)) return 'json';
  }
  if (payloadFormat !== 'auto') return payloadFormat;
  const first = payload[0];
  if (first === undefined || JSON_START.has(first)) return 'json';
  return (first >= 0x80 && first <= 0xbf) || first === 0xd9 ? 'cbor' : 'opaque';
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The parser's own sentence quotes the payload, which may hold anything; the bytes are kept in the dead letter.
    throw malformed('the payload is not JSON');
  }
}

/** Whole numbers up to 2^53 - 1 are exact. Of a larger one only its digits tell whether it was rounded. */
type Exactness = 'exact' | 'mayBeRounded';

/** An escaped lone surrogate passes UTF-8 checks and JSON.parse, and would later be refused by the telemetry store. */
function checkValue(value: JsonValue, levelsLeft: number, checkText: boolean): Exactness {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new PayloadRefused('TELEMETRY_VALUE_INVALID', 'a number is out of range');
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? 'mayBeRounded' : 'exact';
  }
  if (typeof value === 'string') {
    if (checkText) checkString(value);
    return 'exact';
  }
  if (typeof value !== 'object' || value === null) return 'exact';
  if (levelsLeft === 0) throw new PayloadRefused('JSON_TOO_DEEP', 'nested too deep');
  let exactness: Exactness = 'exact';
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) {
      if (checkValue(item, levelsLeft - 1, checkText) !== 'exact') exactness = 'mayBeRounded';
    }
    return exactness;
  }
  const object = value as Readonly<Record<string, JsonValue>>;
  for (const key in object) {
    if (checkText) checkString(key);
    if (checkValue(object[key] as JsonValue, levelsLeft - 1, checkText) !== 'exact') exactness = 'mayBeRounded';
  }
  return exactness;
}

function checkString(text: string): void {
  if (LONE_SURROGATE.test(text)) throw malformed('a text holds half a surrogate pair');
}

/**
 * Refuses a whole number that is not kept as it is written. One that is written by the shortest digits of a double, as
 * JavaScript writes 1e20, is such a double, and comes out as it went in. Rare, so it may cost a second parse.
 */
function checkWholeNumbers(text: string): void {
  const parse = JSON.parse as (text: string, reviver: SourceReviver) => unknown;
  parse(text, (_key, value, { source }) => {
    if (typeof value !== 'number' || source === undefined || Number.isSafeInteger(value)) return value;
    if (!WHOLE_NUMBER.test(source) || String(value) === source || BigInt(source) === BigInt(value)) return value;
    throw new PayloadRefused('TELEMETRY_VALUE_INVALID', 'a whole number beyond 2^53 - 1 would be rounded');
  });
}

/** TypeScript's library does not know the third argument yet. */
type SourceReviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

function malformed(detail: string): PayloadRefused {
  return new PayloadRefused('PAYLOAD_MALFORMED', detail);
}
