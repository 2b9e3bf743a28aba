import { isUtf8 } from 'node:buffer';

import type { JsonValue } from '@breakwater/twin';
import { LIMITS } from '@breakwater/wire';

import { PayloadRefused } from './payload-refused.ts';
import { readCbor } from './read-cbor.ts';

const CBOR_CONTENT_TYPE = 'application/cbor';
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The JSON value of a payload, within the limits of depth and kind of number.
 * @throws PayloadRefused
 */
export function readPayload(payload: Uint8Array, contentType: string | null): JsonValue {
  if (isCbor(payload, contentType)) return readCbor(payload, LIMITS.jsonDepthMax);
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!isUtf8(bytes)) throw new PayloadRefused('PAYLOAD_MALFORMED', 'the payload is not UTF-8');
  const text = bytes.toString('utf8');
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    // The parser's own sentence quotes the payload, which may hold anything; the bytes are kept in the dead letter.
    throw new PayloadRefused('PAYLOAD_MALFORMED', text === '' ? 'the payload is empty' : 'the payload is not JSON');
  }
  checkValue(value, 0, text.includes('\\u'));
  return value;
}

/** By content type; without one by the first byte, which no JSON text starts with: an array, a map or tag 55799. */
function isCbor(payload: Uint8Array, contentType: string | null): boolean {
  if (contentType !== null && contentType.toLowerCase().startsWith(CBOR_CONTENT_TYPE)) return true;
  const first = payload[0];
  return contentType === null && first !== undefined && ((first >= 0x80 && first <= 0xbf) || first === 0xd9);
}

/** An escaped lone surrogate passes UTF-8 checks and JSON.parse, and would later be refused by the telemetry store. */
function checkValue(value: JsonValue, depth: number, checkText: boolean): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new PayloadRefused('TELEMETRY_VALUE_INVALID', 'a number is out of range');
    return;
  }
  if (typeof value === 'string') {
    if (checkText) checkString(value);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth >= LIMITS.jsonDepthMax) {
    throw new PayloadRefused('JSON_TOO_DEEP', `deeper than ${LIMITS.jsonDepthMax} levels`);
  }
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) checkValue(item, depth + 1, checkText);
    return;
  }
  const object = value as Readonly<Record<string, JsonValue>>;
  for (const key in object) {
    if (checkText) checkString(key);
    checkValue(object[key] as JsonValue, depth + 1, checkText);
  }
}

function checkString(text: string): void {
  if (LONE_SURROGATE.test(text)) throw new PayloadRefused('PAYLOAD_MALFORMED', 'a text holds half a surrogate pair');
}
