import { describe, expect, it } from '@jest/globals';

import type { JsonObject, JsonValue } from './json.ts';
import { mergePatch, mergePatchBetween } from './merge-patch.ts';

/** RFC 7396, appendix A. */
const RFC_7396: readonly (readonly [target: string, patch: string, result: string])[] = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"a":1,"e":null}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];

function parse(text: string): JsonValue {
  return JSON.parse(text) as JsonValue;
}

describe('mergePatch', () => {
  it.each(RFC_7396)('does what RFC 7396 says: %s with %s', (target, patch, result) => {
    expect(JSON.stringify(mergePatch(parse(target), parse(patch)))).toBe(result);
  });

  it('returns the target itself when nothing changes', () => {
    const target = parse('{"a":{"b":[1,{"c":2}]},"d":{}}');
    expect(mergePatch(target, parse('{"a":{"b":[1,{"c":2}],"x":null},"d":{}}'))).toBe(target);
  });

  it('shares what did not change', () => {
    const target = parse('{"a":{"b":1},"c":{"d":1}}') as JsonObject;
    const merged = mergePatch(target, parse('{"c":{"d":2}}') as JsonObject);
    expect(merged.a).toBe(target.a);
    expect(merged.c).not.toBe(target.c);
  });

  it('leaves target and patch as they were', () => {
    const target = Object.freeze({ a: Object.freeze({ b: 1 }) });
    const patch = Object.freeze({ a: Object.freeze({ b: null, c: 2 }) });
    expect(mergePatch(target, patch)).toEqual({ a: { c: 2 } });
  });

  it('writes keys in one order whatever order they came in', () => {
    const one = mergePatch(mergePatch({}, parse('{"b":{"z":1,"y":[{"q":1,"p":2}]}}')), parse('{"a":1,"10":1,"9":1}'));
    const other = mergePatch(mergePatch({}, parse('{"9":1,"a":1,"10":1}')), parse('{"b":{"y":[{"p":2,"q":1}],"z":1}}'));
    expect(JSON.stringify(one)).toBe(JSON.stringify(other));
  });

  it('keeps keys of Object.prototype as data, and changes no prototype', () => {
    const patch = parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":2,"a":3}');
    const merged = mergePatch(parse('{"a":1}'), patch);
    expect(JSON.stringify(merged)).toBe(
      '{"__proto__":{"polluted":1},"a":3,"constructor":{"prototype":{"polluted":1}},"toString":2}',
    );
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const removed = mergePatch(merged, parse('{"__proto__":null,"constructor":null,"toString":null}'));
    expect(JSON.stringify(removed)).toBe('{"a":3}');
    expect(mergePatch(removed, parse('{"__proto__":null,"valueOf":null}'))).toBe(removed);
  });

  it('has no negative zero', () => {
    expect(Object.is((mergePatch({}, { a: -0, b: [-0] }) as { a: number }).a, 0)).toBe(true);
  });
});

describe('mergePatchBetween', () => {
  it('names what is new, what differs and what is gone', () => {
    const before = parse('{"a":1,"b":{"c":1,"d":1},"e":[1],"f":{"g":1}}') as JsonObject;
    const after = parse('{"a":1,"b":{"c":2},"e":[2],"f":3,"h":{}}') as JsonObject;
    expect(mergePatchBetween(before, after)).toEqual({ b: { c: 2, d: null }, e: [2], f: 3, h: {} });
  });
});
