import { CODES, raise } from './clickhouse-error.ts';

/**
 * Statements start in the order in which they came, at most `parallelMax` at once, and at most `lengthMax` wait.
 * The write lane has `parallelMax` 1: an insert can be delayed by those before it, never overtaken or dropped.
 */
export class StatementQueue {
  readonly #parallelMax: number;
  readonly #lengthMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: { readonly parallelMax: number; readonly lengthMax: number }) {
    this.#parallelMax = options.parallelMax;
    this.#lengthMax = options.lengthMax;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running;
  }

  /** @throws ClickHouseError 202 when the queue is full. `abandoned` is asked once, when the statement's turn comes. */
  async run<Result>(statement: () => Promise<Result>, abandoned: () => boolean): Promise<Result | null> {
    if (this.#running >= this.#parallelMax) {
      if (this.#waiting.length >= this.#lengthMax) {
        throw raise(CODES.tooManyStatements, `${this.#lengthMax} statements wait already; send it again later`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return abandoned() ? null : await statement();
    } finally {
      this.#next();
    }
  }

  /** The place of the one that ends goes straight to the next: nobody who came later can take it in between. */
  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
