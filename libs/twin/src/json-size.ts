import type { JsonValue } from './json.ts';
import { isJsonObject } from './own-property.ts';

/** What keeps a value out of a twin, or null. Looks no deeper than `depthMax`, so any input is safe to check. */
export function jsonProblem(value: unknown, depthMax: number): 'tooDeep' | 'notJson' | null {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return null;
    case 'number':
      // `JSON.parse('1e999')` is Infinity, which JSON can not write back.
      return Number.isFinite(value) ? null : 'notJson';
    case 'object':
      return value === null ? null : containerProblem(value, depthMax);
    default:
      return 'notJson';
  }
}

function containerProblem(value: object, depthMax: number): 'tooDeep' | 'notJson' | null {
  if (depthMax === 0) return 'tooDeep';
  const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  for (const child of children) {
    const problem = jsonProblem(child, depthMax - 1);
    if (problem !== null) return problem;
  }
  return null;
}

/** Containers inside each other: 0 for a scalar, 1 for `{}` and `{"a":1}`. */
export function jsonDepth(value: JsonValue): number {
  if (!Array.isArray(value) && !isJsonObject(value)) return 0;
  const children: readonly JsonValue[] = Array.isArray(value) ? value : Object.values(value);
  return 1 + children.reduce<number>((depth, child) => Math.max(depth, jsonDepth(child)), 0);
}

/** UTF-8 bytes of the value as JSON text. */
export function jsonBytes(value: JsonValue): number {
  return utf8Bytes(JSON.stringify(value));
}

/** Bytes per UTF-16 code unit in UTF-8, and in a JSON string, where a control character is written as `\u0000`. */
const UNIT_BYTES_MAX = 3;
const ESCAPED_BYTES_MAX = 6;
const QUOTES_BYTES = 2;

/** Whether the value has at most so many bytes as JSON text. Counts only what can not be told from lengths. */
export function jsonFits(value: JsonValue, bytesMax: number): boolean {
  if (typeof value === 'string' && value.length * ESCAPED_BYTES_MAX + QUOTES_BYTES <= bytesMax) return true;
  const text = JSON.stringify(value);
  return text.length * UNIT_BYTES_MAX <= bytesMax || (text.length <= bytesMax && utf8Bytes(text) <= bytesMax);
}

/** UTF-8 bytes of a text. Pure code knows no `TextEncoder`; and nothing is allocated this way. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    // Each half of a surrogate pair counts 2 and the pair 4; a lone half becomes U+FFFD, which has 3 bytes.
    if (unit < 0x800) bytes += 1;
    else if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(index + 1))) {
      bytes += 2;
      index++;
    } else bytes += 2;
  }
  return bytes;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
