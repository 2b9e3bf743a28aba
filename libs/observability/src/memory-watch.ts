import { getHeapStatistics } from 'node:v8';

import { Gauge, type Metrics } from './metrics.ts';

/**
 * What a Node process holds beside its heap and its buffers: code, stacks, the engine itself. Resident memory may stay
 * above the sum of all three for long after a storm, because freed pages are kept for the next one; those are no reason
 * to slow anything down.
 */
const RUNTIME_BYTES = 96 * 1024 * 1024;

export interface MemoryUse {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

export interface MemoryWatchOptions {
  readonly metrics: Metrics;
  readonly maxBytes: number;
  /** For tests. */
  readonly read?: () => MemoryUse;
  readonly heapMaxBytes?: number;
}

/** How close a process is to what it may hold, of its memory altogether and of its heap. */
export class MemoryWatch {
  readonly maxBytes: number;
  readonly #read: () => MemoryUse;
  readonly #heapMaxBytes: number;
  #latest = 0;
  #share = 0;

  constructor(options: MemoryWatchOptions) {
    this.maxBytes = options.maxBytes;
    this.#read = options.read ?? (() => process.memoryUsage());
    this.#heapMaxBytes = options.heapMaxBytes ?? getHeapStatistics().heap_size_limit;
    const { registry } = options.metrics;
    const usedBytes = (): number => this.usedBytes();
    const { maxBytes } = this;
    new Gauge({
      name: 'breakwater_memory_used_bytes',
      help: 'Memory that this process holds, without what it has freed and kept for later.',
      registers: [registry],
      collect() {
        this.set(usedBytes());
      },
    });
    new Gauge({
      name: 'breakwater_memory_max_bytes',
      help: 'Memory that this process may hold.',
      registers: [registry],
      collect() {
        this.set(maxBytes);
      },
    });
  }

  usedBytes(): number {
    const { rss, heapUsed, external } = this.#read();
    return Math.min(rss, heapUsed + external + RUNTIME_BYTES);
  }

  /** The share of the memory, or of the heap, that is in use: of the last two samples the lower one. */
  get share(): number {
    return this.#share;
  }

  /** To be called about twice a second. Garbage that the next collection takes is in one sample, and not in two. */
  sample(): void {
    const { heapUsed } = this.#read();
    const share = Math.max(this.usedBytes() / this.maxBytes, heapUsed / this.#heapMaxBytes);
    this.#share = Math.min(share, this.#latest);
    this.#latest = share;
  }
}
