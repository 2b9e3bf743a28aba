import { createHash } from 'node:crypto';

import type { JsonObject, JsonValue, TelemetryPoint } from '@breakwater/twin';
import { isTelemetryKey, LIMITS } from '@breakwater/wire';

import { readDeviceTime } from './device-time.ts';
import { PayloadRefused } from './payload-refused.ts';

export interface TelemetryReading {
  readonly points: readonly TelemetryPoint[];
  /** The device's own id of the message, or ''. */
  readonly messageId: string;
}

/**
 * Reads the shapes `{"k":v}`, `[{"k":v}]`, `{"ts":ms,"values":{…}}` and lists of these. One bad value refuses all.
 * @throws PayloadRefused
 */
export function readTelemetry(value: JsonValue, receivedAtMs: number): TelemetryReading {
  if (!Array.isArray(value)) {
    const item = objectOf(value);
    return { points: [readPoint(item, receivedAtMs)], messageId: idOf(item) };
  }
  const items = value as readonly JsonValue[];
  if (items.length === 0) throw new PayloadRefused('PAYLOAD_MALFORMED', 'the list is empty');
  if (items.length > LIMITS.telemetryPointsMax) {
    throw new PayloadRefused('PAYLOAD_TOO_LARGE', `more than ${LIMITS.telemetryPointsMax} points`);
  }
  const points: TelemetryPoint[] = [];
  const ids: string[] = [];
  for (const element of items) {
    const item = objectOf(element);
    points.push(readPoint(item, receivedAtMs));
    const id = idOf(item);
    if (id !== '') ids.push(id);
  }
  return { points, messageId: joinIds(ids) };
}

/** @throws PayloadRefused */
export function readMessageId(id: JsonValue): string {
  const text = typeof id === 'number' && Number.isSafeInteger(id) ? String(id) : id;
  if (typeof text !== 'string' || text === '' || Buffer.byteLength(text) > LIMITS.messageIdBytesMax) {
    throw new PayloadRefused('PAYLOAD_MALFORMED', `\`id\` is a text of 1 to ${LIMITS.messageIdBytesMax} bytes`);
  }
  return text;
}

/** `metadata` is what ThingsBoard's SDKs add of their own delays: an object, and no measurement. */
const POINT_KEYS = new Set(['ts', 'values', 'id', 'metadata']);

function readPoint(item: JsonObject, receivedAtMs: number): TelemetryPoint {
  if (!isTimed(item)) return { tsMs: receivedAtMs, values: readValues(item) };
  for (const key in item) {
    if (!POINT_KEYS.has(key)) {
      throw new PayloadRefused('PAYLOAD_MALFORMED', 'beside `ts` and `values` there may only be `id` and `metadata`');
    }
  }
  if (Object.hasOwn(item, 'metadata')) objectOf(item['metadata'] as JsonValue, '`metadata` is an object');
  const { tsMs, marked } = readDeviceTime(item['ts'], receivedAtMs);
  const values = readValues(objectOf(item['values'] as JsonValue));
  return marked ? { tsMs, values, marked: true } : { tsMs, values };
}

/** A flat object may well have a measurement `ts` or `values`; only both together make a point with a time. */
function isTimed(item: JsonObject): boolean {
  return Object.hasOwn(item, 'values') && Object.hasOwn(item, 'ts');
}

function readValues(object: JsonObject): ReadonlyMap<string, JsonValue> {
  const values = new Map<string, JsonValue>();
  for (const key in object) {
    if (!isTelemetryKey(key)) {
      throw new PayloadRefused('TELEMETRY_KEY_INVALID', `a key is not [A-Za-z0-9_.-]{1,64}: ${shown(key)}`);
    }
    const value = object[key] as JsonValue;
    if (value === null) throw new PayloadRefused('TELEMETRY_VALUE_INVALID', `the value of ${key} is null`);
    values.set(key, value);
  }
  if (values.size === 0) throw new PayloadRefused('PAYLOAD_MALFORMED', 'there are no values');
  if (values.size > LIMITS.telemetryKeysMax) {
    throw new PayloadRefused('PAYLOAD_TOO_LARGE', `more than ${LIMITS.telemetryKeysMax} keys`);
  }
  return values;
}

function objectOf(value: JsonValue, otherwise = 'telemetry is an object, or a list of objects'): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new PayloadRefused('PAYLOAD_MALFORMED', otherwise);
}

function idOf(item: JsonObject): string {
  return isTimed(item) && Object.hasOwn(item, 'id') ? readMessageId(item['id'] as JsonValue) : '';
}

/** A list is one message, so its ids make one: the same list sent again has the same. */
function joinIds(ids: readonly string[]): string {
  const joined = ids.join(',');
  return Buffer.byteLength(joined) <= LIMITS.messageIdBytesMax
    ? joined
    : createHash('sha256').update(joined).digest('hex');
}

const SHOWN_LENGTH_MAX = 80;

function shown(key: string): string {
  return JSON.stringify(key.slice(0, SHOWN_LENGTH_MAX));
}
