import { sortedKeys } from './canonical-json.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { getOwn, isEmptyObject, isJsonObject, setOwn, type OpenObject } from './own-property.ts';

/** A timestamp (Unix ms) for a leaf, a tree of them for an object. */
export type PathTimestamps = JsonObject;

export interface Restamp {
  readonly before: JsonObject;
  readonly after: JsonObject;
  readonly timestamps: PathTimestamps;
  readonly atMs: number;
}

/**
 * When each leaf of a document last changed: a tree of the document's shape with Unix ms in place of the leaves.
 * A leaf is what a merge patch replaces as a whole: a scalar, an array, and the empty object, which has no leaf inside.
 */
export function restamp({ before, after, timestamps, atMs }: Restamp): PathTimestamps {
  if (before === after) return timestamps;
  const restamped: OpenObject = {};
  for (const key of sortedKeys(after)) {
    const old = getOwn(before, key);
    const now = after[key] as JsonValue;
    const known = getOwn(timestamps, key);
    // Merging shares what did not change, so the same reference (or scalar) is the same value.
    if (old === now && known !== undefined) setOwn(restamped, key, known);
    else if (!isJsonObject(now) || isEmptyObject(now)) setOwn(restamped, key, atMs);
    else {
      const inner = { before: objectOrEmpty(old), after: now, timestamps: objectOrEmpty(known), atMs };
      setOwn(restamped, key, restamp(inner));
    }
  }
  return restamped;
}

const EMPTY: JsonObject = Object.freeze({});

function objectOrEmpty(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : EMPTY;
}
