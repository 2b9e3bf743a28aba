import type { JsonObject, JsonValue } from './json.ts';

/** A JSON object under construction. */
export type OpenObject = Record<string, JsonValue>;

/**
 * Every key is data, `__proto__` too. An assignment would call the setter of `Object.prototype` instead of storing it,
 * and lose the value; a definition makes it an own property, exactly as `JSON.parse` does.
 */
export function setOwn(target: OpenObject, key: string, value: JsonValue): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[key] = value;
  }
}

/** The value under `key`, never one that is inherited: `{}` has no `constructor`. */
export function getOwn(source: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(source, key) ? source[key] : undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isEmptyObject(value: JsonObject): boolean {
  for (const key in value) if (Object.hasOwn(value, key)) return false;
  return true;
}
