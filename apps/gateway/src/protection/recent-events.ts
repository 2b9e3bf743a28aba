import { RecencyMap } from './recency-map.ts';

interface Events {
  /** When, and what: as long as the limit at most, in order. */
  readonly times: number[];
  readonly marks: string[];
}

/** Says when something happens too often to one key: so many times within the window. */
export class RecentEvents {
  readonly #countMax: number;
  readonly #windowMs: number;
  readonly #events: RecencyMap<Events>;

  /** `countMax` 0: never. */
  constructor(options: { readonly countMax: number; readonly windowMs: number; readonly keysMax: number }) {
    this.#countMax = options.countMax;
    this.#windowMs = options.windowMs;
    this.#events = new RecencyMap(options.keysMax);
  }

  /**
   * True when this one makes it too often. Of events with the same `mark` only the first one in the window counts; an
   * empty mark is like no other.
   */
  add(key: string, nowMs: number, mark = ''): boolean {
    if (this.#countMax === 0) return false;
    const events = this.#events.get(key);
    if (events === undefined) {
      // Of nearly every key there is one event. A list that something is pushed to has room for 17.
      this.#events.set(key, { times: [nowMs], marks: [mark] });
      return this.#countMax === 1;
    }
    this.#forgetOld(events, nowMs);
    if (mark === '' || !events.marks.includes(mark)) {
      events.times.push(nowMs);
      events.marks.push(mark);
    }
    if (events.times.length > this.#countMax) {
      events.times.shift();
      events.marks.shift();
    }
    return events.times.length >= this.#countMax;
  }

  /** True while it is too often. */
  isOver(key: string, nowMs: number): boolean {
    const events = this.#events.get(key);
    if (events === undefined) return false;
    this.#forgetOld(events, nowMs);
    return events.times.length >= this.#countMax;
  }

  forget(key: string): void {
    this.#events.delete(key);
  }

  #forgetOld({ times, marks }: Events, nowMs: number): void {
    while ((times[0] ?? nowMs) <= nowMs - this.#windowMs) {
      times.shift();
      marks.shift();
    }
  }
}
