import { describe, expect, it } from '@jest/globals';

import { cutToBytes } from './cut-to-bytes.ts';

describe('cutToBytes', () => {
  it('cuts between characters only', () => {
    for (const character of ['a', '\u00e9', '\u20ac', '\u{1f600}']) {
      const text = character.repeat(10);
      for (let bytesMax = 0; bytesMax <= 40; bytesMax += 1) {
        const cut = cutToBytes(text, bytesMax);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytesMax);
        expect(text.startsWith(cut)).toBe(true);
        expect(() => encodeURIComponent(cut)).not.toThrow();
        expect(Buffer.byteLength(cut) + Buffer.byteLength(character) > bytesMax || cut === text).toBe(true);
      }
    }
  });

  it('replaces what is half a pair', () => {
    expect(cutToBytes('a\ud83d', 10)).toBe('a\ufffd');
  });
});
