import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { joinLines, LineArena, type StoredLine } from './line-arena.ts';

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme', minLength: 200, maxLength: 3_000 }));

function stored(arena: LineArena, line: string, asText: boolean): StoredLine {
  const bytes = Buffer.byteLength(line);
  return { ...arena.store(asText ? line : Buffer.from(line), bytes), bytes };
}

describe('lines in blocks', () => {
  it('come out joined in any order, however they came in', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, fc.boolean(), fc.nat()), { minLength: 1, maxLength: 60 }), (given) => {
        const arena = new LineArena();
        const lines = given.map(([line, asText, place]) => ({ line, place, at: stored(arena, line, asText) }));
        const check = (some: typeof lines): void =>
          expect(joinLines(some.map(({ at }) => at)).toString()).toBe(some.map(({ line }) => line).join('\n'));
        check(lines);
        check([...lines].sort((one, other) => one.place - other.place));
        check(lines.filter(({ place }, index) => index === 0 || place % 2 === 0));
      }),
    );
  });

  it('are not copied when they stand together', () => {
    const arena = new LineArena();
    const lines = ['a', 'bc', 'd'].map((line) => stored(arena, line, true));
    expect(joinLines(lines).buffer).toBe(lines[0]?.block.buffer);
  });
});
