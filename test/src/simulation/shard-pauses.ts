import type { Partition } from '@breakwater/twin';
import type { Clock, RegionObserver } from '@breakwater/twin-runtime';

/** One stretch in which a shard had no owner, and who had it before and after. */
export interface ShardPause {
  readonly partition: Partition;
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * For how long each shard had no owner: from the end of one, or the moment in which its process was killed, until the
 * next one has started. Exact, because the clock is virtual.
 */
export class ShardPauses {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #freeSinceMs = new Map<Partition, number>();
  #pauses: ShardPause[] = [];

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  /** To be told by every region of the run. */
  get observer(): Pick<RegionObserver, 'shardStarted' | 'shardEnded'> {
    return {
      shardStarted: (partition) => this.started(partition),
      shardEnded: (partition) => this.ended(partition),
    };
  }

  get moves(): number {
    return this.#pauses.length;
  }

  get longestMs(): number {
    return this.#pauses.reduce((longest, { fromMs, untilMs }) => Math.max(longest, untilMs - fromMs), 0);
  }

  /** Shards that had an owner and have none now. */
  get free(): number {
    return this.#freeSinceMs.size;
  }

  started(partition: Partition): void {
    const fromMs = this.#freeSinceMs.get(partition);
    if (fromMs === undefined) return;
    this.#freeSinceMs.delete(partition);
    this.#pauses.push({ partition, fromMs, untilMs: this.#clock.nowMs() });
  }

  ended(partition: Partition): void {
    if (!this.#freeSinceMs.has(partition)) this.#freeSinceMs.set(partition, this.#clock.nowMs());
  }

  /** The pauses that ended since the last call. */
  take(): readonly ShardPause[] {
    const taken = this.#pauses;
    this.#pauses = [];
    return taken;
  }
}
