import type { JsonObject, JsonValue } from './json.ts';
import { jsonEqual } from './json-equal.ts';
import { getOwn, isEmptyObject, isJsonObject, setOwn, type OpenObject } from './own-property.ts';

/**
 * Desired minus reported: what the device must still do, as a merge patch for `reported`. Applied to `reported`, it
 * leaves no delta. What is reported and not desired is the device's own affair and never part of it.
 */
export function deltaOf(desired: JsonObject, reported: JsonObject): JsonObject {
  const delta: OpenObject = {};
  for (const key of Object.keys(desired)) {
    const wanted = desired[key] as JsonValue;
    const present = getOwn(reported, key);
    if (present === undefined) {
      if (wanted !== null) setOwn(delta, key, wanted);
    } else if (isJsonObject(wanted) && isJsonObject(present)) {
      const inner = deltaOf(wanted, present);
      if (!isEmptyObject(inner)) setOwn(delta, key, inner);
    } else if (!jsonEqual(wanted, present)) {
      setOwn(delta, key, wanted);
    }
  }
  return delta;
}
