import type { JsonObject, JsonValue } from './json.ts';
import { isJsonObject, setOwn, type OpenObject } from './own-property.ts';

/**
 * Two equal documents have the same bytes. Objects of a state are always built with sorted keys, so that the native
 * `JSON.stringify` writes them canonically. (Keys like `10` stand first whatever the order of building; that order
 * depends on the set of keys alone too, and survives a write and a read.)
 */
export function canonicalJson(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(canonicalJson);
  if (isJsonObject(value)) return canonicalObject(value);
  // JSON has no negative zero: it would not survive a write and a read.
  return value === 0 ? 0 : value;
}

function canonicalObject(source: JsonObject): JsonObject {
  const sorted: OpenObject = {};
  for (const key of sortedKeys(source)) setOwn(sorted, key, canonicalJson(source[key] as JsonValue));
  return sorted;
}

/** By UTF-16 code units: the order is the same on every machine and in every language setting. */
export function sortedKeys(source: JsonObject): string[] {
  return Object.keys(source).sort(byCodeUnits);
}

export function byCodeUnits(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
