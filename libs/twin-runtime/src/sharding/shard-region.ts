import { assert, type Partition } from '@breakwater/twin';

import type { PlatformError } from '../platform-error.ts';
import { type RegionObserver, silentObserver } from '../region-observer.ts';
import { DEFAULT_RUNTIME_LIMITS, type RuntimeLimits } from '../runtime-limits.ts';
import { twinModel } from '../twin-model.ts';
import { CommitLoop } from './commit-loop.ts';
import { OwnershipLoop } from './ownership-loop.ts';
import type { RegionParts } from './region-parts.ts';
import { ShardTable } from './shard-table.ts';
import { StoreWatch } from './store-watch.ts';
import { TimerPoller } from './timer-poller.ts';
import { TwinCache } from './twin-cache.ts';

/** The parts of a region; those with a default may be left out. */
export interface ShardRegionOptions
  extends
    Omit<RegionParts, 'answers' | 'limits' | 'observer' | 'model' | 'cache'>,
    Partial<Pick<RegionParts, 'answers' | 'model' | 'cache'>> {
  readonly limits?: Partial<RuntimeLimits>;
  readonly observer?: Partial<RegionObserver>;
}

/** What a region holds at the moment. */
export interface RegionStatus {
  readonly partitions: readonly Partition[];
  /** Partitions that wait for an operator, and why. */
  readonly stopped: ReadonlyMap<Partition, PlatformError>;
  readonly cachedTwins: number;
  readonly cachedBytes: number;
  readonly outboxEntries: number;
  /** The same of each shard. */
  readonly outboxByShard: readonly number[];
}

/** All shards on one worker. */
export class ShardRegion {
  readonly #table: ShardTable;
  readonly #ownership: OwnershipLoop;
  readonly #commits: CommitLoop;
  readonly #timers: TimerPoller;
  /** Null where the group does not want to know. */
  readonly #watch: StoreWatch | null;
  readonly #ownershipEnd = new AbortController();
  readonly #workEnd = new AbortController();
  #running: readonly Promise<void>[] | null = null;

  constructor({ limits, observer, model, answers, cache, ...rest }: ShardRegionOptions) {
    const effective = { ...DEFAULT_RUNTIME_LIMITS, ...limits };
    const parts: RegionParts = {
      ...rest,
      answers: answers ?? null,
      limits: effective,
      cache: cache ?? new TwinCache(effective.cacheBytesMax),
      observer: { ...silentObserver, ...observer },
      model: model ?? twinModel,
    };
    this.#table = new ShardTable(parts);
    this.#watch = parts.membership.noteStoreReach === undefined ? null : new StoreWatch(parts);
    this.#ownership = new OwnershipLoop(parts, this.#table, this.#watch);
    this.#commits = new CommitLoop(parts, this.#table);
    this.#timers = new TimerPoller(parts, this.#table);
  }

  get status(): RegionStatus {
    const shards = [...this.#table.shards];
    return {
      partitions: shards.map(({ partition }) => partition).sort((left, right) => left - right),
      stopped: this.#table.stopped,
      cachedTwins: shards.reduce((sum, { twins }) => sum + twins.size, 0),
      cachedBytes: this.#table.cache.bytes,
      outboxByShard: shards.map(({ outbox }) => outbox.size),
      outboxEntries: shards.reduce((sum, { outbox }) => sum + outbox.size, 0),
    };
  }

  /** Joins; shards start as their leases come free. */
  start(): void {
    assert(this.#running === null, 'a region is started once');
    const { signal } = this.#workEnd;
    this.#running = [
      this.#ownership.run(this.#ownershipEnd.signal),
      this.#commits.run(signal),
      this.#timers.run(signal),
      ...(this.#watch === null ? [] : [this.#watch.run(signal)]),
    ];
  }

  /** Commits what is in flight, hands every shard over and leaves. */
  async stop(): Promise<void> {
    if (this.#running === null) return;
    const [ownership, ...work] = this.#running;
    this.#ownershipEnd.abort();
    await ownership;
    try {
      await this.#ownership.leave();
    } finally {
      this.#workEnd.abort();
      await Promise.all(work);
    }
  }
}
