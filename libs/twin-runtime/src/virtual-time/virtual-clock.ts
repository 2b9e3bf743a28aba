import type { Clock } from '../ports/clock.ts';

interface Sleeper {
  readonly atMs: number;
  readonly order: number;
  readonly wake: () => void;
}

/**
 * Time that stands still until it is told to pass. Sleepers wake one by one, in the order of their times and then of
 * their calls, and everything that follows from one wake-up has run before the next: a run has one order only.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  #order = 0;
  /** A binary heap by time and order of call. */
  readonly #sleepers: Sleeper[] = [];

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const wake = (): void => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      signal?.addEventListener('abort', wake, { once: true });
      push(this.#sleepers, { atMs: this.#nowMs + Math.max(0, durationMs), order: this.#order++, wake });
    });
  }

  /** Wakes the next sleeper. False when there is none until `untilMs`; time then stands at `untilMs`. */
  async step(untilMs: number): Promise<boolean> {
    const [next] = this.#sleepers;
    if (next === undefined || next.atMs > untilMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return false;
    }
    pop(this.#sleepers);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.wake();
    await settled();
    return true;
  }

  /** Lets time pass, waking everyone on the way. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    await settled();
    while (await this.step(untilMs));
  }
}

/** Resolves when every microtask that was, or became, due has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function before(left: Sleeper, right: Sleeper): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

function push(heap: Sleeper[], sleeper: Sleeper): void {
  let at = heap.length;
  heap.push(sleeper);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(sleeper, heap[parent] as Sleeper)) break;
    heap[at] = heap[parent] as Sleeper;
    at = parent;
  }
  heap[at] = sleeper;
}

function pop(heap: Sleeper[]): void {
  const last = heap.pop() as Sleeper;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Sleeper, heap[child] as Sleeper)) child++;
    if (!before(heap[child] as Sleeper, last)) break;
    heap[at] = heap[child] as Sleeper;
    at = child;
  }
  heap[at] = last;
}
