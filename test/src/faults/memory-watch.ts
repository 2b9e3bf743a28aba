import { ProcessSampler } from '@breakwater/bench';

import type { PlatformUnderFault } from './platform-under-fault.ts';

const MEGABYTE = 1024 * 1024;
/** What docs/operations promise of each part; Redis may hold REDIS_MEMORY_MB, and needs some room beside it. */
const CAPS_MB: Readonly<Record<string, number>> = { 'embedded-clickhouse': 1_200, redis: 768, kafka: 1_024 };
const CAP_MB = 600;
const BROKER = /^kafka/;
const PARTS_EVERY_MS = 500;

/** Memory of every part while a fault strikes, over all lives of parts that are started again. */
export class MemoryWatch {
  readonly #sampler: ProcessSampler;
  readonly #reading: NodeJS.Timeout;
  #pids: ReadonlyMap<string, number> = new Map();

  constructor(platform: PlatformUnderFault) {
    this.#sampler = new ProcessSampler(() => this.#pids);
    const read = (): void => {
      platform.processes().then(
        (pids) => {
          this.#pids = pids;
        },
        // The file of a supervisor that is no more may be gone, or be written at this moment.
        () => undefined,
      );
    };
    read();
    this.#reading = setInterval(read, PARTS_EVERY_MS);
  }

  /** The part that came nearest to its cap, and every one that went over it. */
  stop(): { readonly summary: string; readonly problems: readonly string[] } {
    clearInterval(this.#reading);
    const usage = this.#sampler.stop().map(({ name, peakBytes }) => {
      const megabytes = Math.round(peakBytes / MEGABYTE);
      const cap = CAPS_MB[BROKER.test(name) ? 'kafka' : name] ?? CAP_MB;
      return { name, megabytes, cap, share: megabytes / cap };
    });
    const [nearest] = usage.toSorted((left, right) => right.share - left.share);
    const over = usage.filter(({ share }) => share > 1);
    return {
      summary: nearest === undefined ? '' : `${nearest.name} ${nearest.megabytes}/${nearest.cap} MB`,
      problems: over.map(({ name, megabytes, cap }) => `${name} took ${megabytes} MB, its cap is ${cap} MB`),
    };
  }
}
