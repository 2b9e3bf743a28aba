import { byCodeUnits, canonicalJson } from './canonical-json.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { jsonEqual } from './json-equal.ts';
import { getOwn, isJsonObject, setOwn, type OpenObject } from './own-property.ts';

const NOTHING: JsonObject = Object.freeze({});

/**
 * JSON Merge Patch (RFC 7396): objects merge key by key, `null` removes a key, anything else replaces.
 *
 * What did not change is shared with the target, and a patch that changes nothing returns the target itself: the
 * caller tells a change from none by comparing references. The depth of both values must have been checked before.
 */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject;
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue;
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (isJsonObject(patch)) {
    return isJsonObject(target) ? mergeObjects(target, patch) : mergeObjects(NOTHING, patch, {});
  }
  return target !== undefined && jsonEqual(target, patch) ? target : canonicalJson(patch);
}

function mergeObjects(target: JsonObject, patch: JsonObject, unchanged: JsonObject = target): JsonObject {
  const changes = new Map<string, JsonValue | undefined>();
  for (const key of Object.keys(patch)) {
    const change = patch[key] as JsonValue;
    const before = getOwn(target, key);
    const after = change === null ? undefined : mergePatch(before, change);
    if (after !== before) changes.set(key, after);
  }
  return changes.size === 0 ? unchanged : withChanges(target, changes);
}

function withChanges(target: JsonObject, changes: ReadonlyMap<string, JsonValue | undefined>): JsonObject {
  const keys = Object.keys(target);
  for (const key of changes.keys()) if (!Object.hasOwn(target, key)) keys.push(key);
  const merged: OpenObject = {};
  for (const key of keys.sort(byCodeUnits)) {
    const value = changes.has(key) ? changes.get(key) : target[key];
    if (value !== undefined) setOwn(merged, key, value);
  }
  return merged;
}

/** The smallest merge patch that turns `before` into `after`: `null` for what is gone. */
export function mergePatchBetween(before: JsonObject, after: JsonObject): JsonObject {
  const patch: OpenObject = {};
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const key of [...keys].sort(byCodeUnits)) {
    const old = getOwn(before, key);
    const now = getOwn(after, key);
    if (now === undefined) setOwn(patch, key, null);
    else if (old === undefined || !jsonEqual(old, now)) {
      setOwn(patch, key, isJsonObject(old) && isJsonObject(now) ? mergePatchBetween(old, now) : now);
    }
  }
  return patch;
}
