import { createHash } from 'node:crypto';

/** What happened in a run, in order, as one hash; with a sink, readable as well. */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #sink: ((line: string) => void) | null;
  #events = 0;

  readonly #startMs: number;

  constructor(startMs: number, sink: ((line: string) => void) | null = null) {
    this.#startMs = startMs;
    this.#sink = sink;
  }

  get events(): number {
    return this.#events;
  }

  add(atMs: number, what: string): void {
    this.#events++;
    const line = `${Math.round(atMs - this.#startMs)} ${what}`;
    this.#hash.update(`${line}\n`);
    this.#sink?.(line);
  }

  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
}
