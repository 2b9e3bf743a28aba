import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { deepJson, anyJson } from '../test/arbitraries.ts';
import { jsonBytes, jsonDepth, jsonFits, jsonProblem, utf8Bytes } from './json-size.ts';

describe('utf8Bytes', () => {
  it('agrees with the platform, lone surrogates included', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: fc.constantFrom('\ud83d', '\ude00', 'é', 'a', '€') }),
        (a, b) => {
          expect(utf8Bytes(a + b)).toBe(Buffer.byteLength(a + b));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('jsonFits', () => {
  it('says what counting says', () => {
    const anyValue = fc.oneof(anyJson, fc.string({ unit: 'binary', maxLength: 30 }));
    fc.assert(
      fc.property(anyValue, fc.integer({ min: 0, max: 100 }), (value, bytesMax) => {
        expect(jsonFits(value, bytesMax)).toBe(jsonBytes(value) <= bytesMax);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('jsonProblem', () => {
  it.each([
    [1, 0],
    [{}, 1],
    [{ a: 1 }, 1],
    [[[]], 2],
    [{ a: [{ b: 1 }] }, 3],
  ])('takes %j as %i deep', (value, depth) => {
    expect(jsonDepth(value)).toBe(depth);
    expect(jsonProblem(value, depth)).toBeNull();
    if (depth > 0) expect(jsonProblem(value, depth - 1)).toBe('tooDeep');
  });

  it('is not impressed by depth', () => {
    expect(jsonProblem(deepJson(1_000_000), 8)).toBe('tooDeep');
  });

  it.each([[Infinity], [NaN], [undefined], [1n], [() => 1], [[undefined]], [{ a: [-Infinity] }]])(
    'knows that %p is no JSON',
    (value) => {
      expect(jsonProblem(value, 8)).toBe('notJson');
    },
  );
});
