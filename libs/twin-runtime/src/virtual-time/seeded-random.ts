import type { Random } from '../ports/clock.ts';

const UINT32 = 0x1_0000_0000;
const ID_WORDS = 4;

/** Chance that repeats itself from a seed (mulberry32). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / UINT32;
  }

  id(): string {
    let text = '';
    for (let word = 0; word < ID_WORDS; word++) {
      text += Math.floor(this.next() * UINT32)
        .toString(16)
        .padStart(8, '0');
    }
    return text;
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** An independent source, so that one consumer's draws do not shift another's. */
  fork(): SeededRandom {
    return new SeededRandom(Math.floor(this.next() * UINT32));
  }
}
