import type { Offset, Partition } from '@breakwater/twin';
import type { Clock } from '@breakwater/twin-runtime';

/** Where the engine of the log shows its own tools how far a consumer has come. */
export interface PositionMarks {
  readonly intervalMs: number;
  mark(positions: ReadonlyMap<Partition, number>): Promise<void>;
}

export interface PositionMarkerOptions {
  readonly marks: PositionMarks;
  readonly positions: () => ReadonlyMap<Partition, Offset>;
  readonly clock: Clock;
}

/**
 * Lets those marks follow the writer's positions, for tools that watch lag. They decide nothing, so a mark that fails
 * is left to the next one.
 */
export class PositionMarker {
  readonly #options: PositionMarkerOptions;
  readonly #stop = new AbortController();
  #marked: ReadonlyMap<Partition, number> = new Map();
  #running: Promise<void> = Promise.resolve();

  constructor(options: PositionMarkerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async markMoved(): Promise<void> {
    const positions = this.#options.positions();
    const moved = new Map([...positions].filter(([partition, position]) => this.#marked.get(partition) !== position));
    if (moved.size === 0) return;
    await this.#options.marks.mark(moved);
    this.#marked = new Map(positions);
  }

  async #run(): Promise<void> {
    const { clock, marks } = this.#options;
    while (!this.#stop.signal.aborted) {
      await this.markMoved().catch(() => undefined);
      await clock.sleep(marks.intervalMs, this.#stop.signal);
    }
  }
}
