import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { canonicalJson } from './canonical-json.ts';
import { deltaOf } from './delta.ts';
import { jsonEqual } from './json-equal.ts';
import type { JsonValue } from './json.ts';
import { mergePatch, mergePatchBetween } from './merge-patch.ts';
import { anyJson, anyObject } from '../test/arbitraries.ts';

/** The pseudo code of RFC 7396, section 2, on maps: slow, plain, and sharing no code with what it checks. */
type MapTree = Map<string, MapTree | string>;

function toTree(value: JsonValue): MapTree | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(canonicalJson(value));
  return new Map(Object.entries(value).map(([key, child]) => [key, toTree(child)]));
}

function referencePatch(target: MapTree | string | undefined, patch: MapTree | string): MapTree | string {
  if (typeof patch === 'string') return patch;
  const result: MapTree = new Map(target instanceof Map ? target : []);
  for (const [key, value] of patch) {
    if (value === 'null') result.delete(key);
    else result.set(key, referencePatch(result.get(key), value));
  }
  return result;
}

/** A document that RFC 7396 can make: without `null` as a member. */
const anyDocument = anyObject.map((patch) => mergePatch({}, patch));

describe('the laws of merge patch', () => {
  it('agrees with the pseudo code of the RFC', () => {
    fc.assert(
      fc.property(anyJson, anyJson, (target, patch) => {
        expect(toTree(mergePatch(target, patch))).toEqual(referencePatch(toTree(target), toTree(patch)));
      }),
      { numRuns: 500 },
    );
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(anyDocument, anyObject, (target, patch) => {
        const once = mergePatch(target, patch);
        expect(mergePatch(once, patch)).toBe(once);
      }),
      { numRuns: 500 },
    );
  });

  it('is the target itself exactly when it is equal', () => {
    fc.assert(
      fc.property(anyDocument, anyObject, (target, patch) => {
        const merged = mergePatch(target, patch);
        expect(merged === target).toBe(jsonEqual(merged, target));
      }),
      { numRuns: 500 },
    );
  });

  it('has the same bytes for equal documents', () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, (before, after) => {
        const direct = JSON.stringify(mergePatch({}, after));
        expect(JSON.stringify(mergePatch(before, mergePatchBetween(before, after)))).toBe(direct);
        expect(JSON.stringify(canonicalJson(JSON.parse(direct) as JsonValue))).toBe(direct);
      }),
      { numRuns: 500 },
    );
  });

  it('finds the patch between two documents, empty exactly for equal ones', () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, (before, after) => {
        const patch = mergePatchBetween(before, after);
        expect(jsonEqual(mergePatch(before, patch), after)).toBe(true);
        expect(Object.keys(patch).length === 0).toBe(jsonEqual(before, after));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the laws of the delta', () => {
  it('leaves no delta once it is applied', () => {
    fc.assert(
      fc.property(anyObject, anyObject, (desired, reported) => {
        const applied = mergePatch(reported, deltaOf(desired, reported));
        expect(JSON.stringify(deltaOf(desired, applied))).toBe('{}');
      }),
      { numRuns: 500 },
    );
  });

  it('is empty for a device that reports what is desired, and more', () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, (desired, more) => {
        expect(JSON.stringify(deltaOf(desired, mergePatch(more, desired)))).toBe('{}');
      }),
      { numRuns: 500 },
    );
  });
});
