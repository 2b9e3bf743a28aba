/** The one method of `ConnectionOutput` that is called from here. */
export interface Flushable {
  flush(): void;
}

/**
 * Outputs with something to write, written at the end of the tick. `nextTick` runs after all promise reactions that are
 * due, so the acknowledgements of one durable append leave together, with one write per socket.
 */
export class FlushQueue {
  #waiting: Flushable[] = [];

  add(output: Flushable): void {
    this.#waiting.push(output);
    if (this.#waiting.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const due = this.#waiting;
    this.#waiting = [];
    for (const output of due) output.flush();
  }
}
