import { assert, type Partition } from '@breakwater/twin';
import type { ChangeFeed, Clock, FeedEntry } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import type { HistoryMetrics } from './history-metrics.ts';

/** What the history needs of ClickHouse. Cursors are of one feed: another one begins without. */
export interface HistoryStore {
  cursors(feedId: string): Promise<ReadonlyMap<Partition, string>>;
  store(feedId: string, entries: readonly FeedEntry[]): Promise<void>;
}

export interface TwinHistoryOptions {
  readonly feed: Pick<ChangeFeed, 'feedId' | 'read' | 'entryAt' | 'end'>;
  readonly store: HistoryStore;
  /** The schema is there, and ClickHouse answers. */
  readonly isStoreReady: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: HistoryMetrics;
  readonly partitionCount: number;
  readonly roundIntervalMs: number;
  readonly backoffMaxMs: number;
}

/** Changes of one insert. */
const ENTRIES_MAX = 2_000;
const BACKOFF_FIRST_MS = 100;
const STOP_PATIENCE_MS = 5_000;
const COMPARE_INTERVAL_MS = 5_000;

/**
 * Brings the changes of twins into ClickHouse: every one at least once, and its place in its twin's life makes the copy
 * of a repeated one the same row. How far it is stands in ClickHouse, in the same insert.
 *
 * The feed is the bounded queue in between, and this loop holds one batch of it: while ClickHouse is away nothing here
 * grows and nobody waits. What the feed lets go meanwhile is missing from the history, and is counted.
 */
export class TwinHistory {
  readonly #options: TwinHistoryOptions;
  readonly #stop = new AbortController();
  readonly #cursors = new Map<Partition, string>();
  /** What stands at each cursor, as this loop read it. */
  readonly #seen = new Map<Partition, string>();
  #feedId = '';
  #running: Promise<void> = Promise.resolve();
  #away: string | null = null;
  #comparedAtMs = 0;

  constructor(options: TwinHistoryOptions) {
    this.#options = options;
  }

  /** Why it stands still; null while it does not. */
  get trouble(): string | null {
    return this.#away;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    // A request under way may take longer than the process has; it is repeated by the next one.
    await Promise.race([this.#running, this.#options.clock.sleep(STOP_PATIENCE_MS)]);
  }

  async #run(): Promise<void> {
    const { clock, roundIntervalMs, isStoreReady } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted && !isStoreReady()) await clock.sleep(roundIntervalMs, signal);
    await this.#untilDone(() => this.#begin());
    while (!signal.aborted) {
      let entries: readonly FeedEntry[] = [];
      await this.#untilDone(async () => {
        entries = await this.#read();
      });
      if (entries.length > 0) await this.#untilDone(() => this.#store(entries));
      // Inserts have a price of their own, whatever is in them.
      if (entries.length < ENTRIES_MAX / 2) await clock.sleep(roundIntervalMs, signal);
    }
  }

  /** A cursor beyond the feed's end belongs to a feed that is gone: the present one is read from its beginning. */
  async #begin(): Promise<void> {
    const { store, feed, partitionCount, logger } = this.#options;
    const feedId = await feed.feedId();
    const stored = await store.cursors(feedId);
    this.#feedId = feedId;
    this.#seen.clear();
    for (let index = 0; index < partitionCount; index += 1) {
      const partition = index as Partition;
      const cursor = stored.get(partition) ?? '0';
      const end = await feed.end(partition);
      const isGone = Number(cursor) > Number(end);
      if (isGone) logger.warn({ partition, cursor, end }, 'the feed of changes began anew; the history may have a gap');
      this.#cursors.set(partition, isGone ? '0' : cursor);
    }
  }

  async #read(): Promise<readonly FeedEntry[]> {
    const { feed, roundIntervalMs } = this.#options;
    await this.#compare();
    return feed.read(this.#cursors, { entriesMax: ENTRIES_MAX, waitMs: roundIntervalMs });
  }

  async #store(entries: readonly FeedEntry[]): Promise<void> {
    const { store, metrics } = this.#options;
    await store.store(this.#feedId, entries);
    metrics.changes.inc(entries.length);
    for (const entry of entries) {
      const { partition, cursor } = entry;
      const before = this.#cursors.get(partition);
      assert(before !== undefined, 'only partitions with a cursor are read');
      // Numbers follow each other; the first change of all may have left the feed long before there was a history.
      const missed = Number(cursor) - Number(before) - 1;
      if (missed > 0 && before !== '0') this.#noteMissed(partition, missed);
      this.#cursors.set(partition, cursor);
      this.#seen.set(partition, identityOf(entry));
    }
  }

  #noteMissed(partition: Partition, missed: number): void {
    const { metrics, logger } = this.#options;
    metrics.missed.inc(missed);
    logger.warn({ partition, missed }, 'changes left the feed before the history had them');
  }

  /**
   * How much waits; and whether the feed still is what was read of it. A Redis that lost its last writes has other
   * changes under the same numbers, and one that was emptied has none: then everything that is kept is read again.
   */
  async #compare(): Promise<void> {
    const { feed, clock, metrics, logger } = this.#options;
    if (clock.nowMs() - this.#comparedAtMs < COMPARE_INTERVAL_MS) return;
    const feedId = await feed.feedId();
    if (feedId !== this.#feedId) {
      logger.warn(
        { feedId, before: this.#feedId },
        'the feed of changes is another one: it is read from its beginning',
      );
      await this.#begin();
    }
    let lag = 0;
    for (const [partition, cursor] of this.#cursors) {
      const end = await feed.end(partition);
      if (Number(end) < Number(cursor) || !(await this.#isAsSeen(partition, cursor))) {
        logger.warn({ partition, cursor, end }, 'the feed of changes is another than it was: it is read anew');
        this.#cursors.set(partition, '0');
        this.#seen.delete(partition);
      } else lag += Number(end) - Number(cursor);
    }
    this.#comparedAtMs = clock.nowMs();
    metrics.lag.set(lag);
  }

  async #isAsSeen(partition: Partition, cursor: string): Promise<boolean> {
    const seen = this.#seen.get(partition);
    if (seen === undefined) return true;
    const entry = await this.#options.feed.entryAt(partition, cursor);
    // It may have left the feed, which says nothing of those behind it.
    return entry === null || identityOf(entry) === seen;
  }

  async #untilDone(step: () => Promise<void>): Promise<void> {
    const { clock, backoffMaxMs, logger, metrics } = this.#options;
    const { signal } = this.#stop;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await step();
        this.#away = null;
        return;
      } catch (error) {
        this.#away = error instanceof Error ? error.message : String(error);
        metrics.failures.inc();
        // Whatever answers next may be another than the one that failed.
        this.#comparedAtMs = 0;
        logger.warn({ failures, err: error }, 'the history of twins waits; the feed holds what comes meanwhile');
        await clock.sleep(Math.min(backoffMaxMs, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, 16)), signal);
      }
    }
  }
}

function identityOf({ cursor, change }: FeedEntry): string {
  return `${cursor} ${change.key} ${change.incarnation} ${change.changeNumber}`;
}
