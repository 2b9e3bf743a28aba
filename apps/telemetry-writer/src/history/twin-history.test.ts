import { MemoryChangeFeed } from '@breakwater/adapter-memory';
import { createLogger, Metrics } from '@breakwater/observability';
import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';
import { type ChangeRecord, type FeedEntry, systemClock } from '@breakwater/twin-runtime';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { historyMetrics, type HistoryMetrics } from './history-metrics.ts';
import { type HistoryStore, TwinHistory } from './twin-history.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;

/** Keeps what the real one keeps: rows by their place in a twin's life, and the highest cursor of each partition. */
class KeptHistory implements HistoryStore {
  readonly rows = new Map<string, ChangeRecord>();
  readonly #cursors = new Map<string, Map<Partition, string>>();
  isAway = false;
  losesReply = false;

  async cursors(feedId: string): Promise<ReadonlyMap<Partition, string>> {
    return new Map(this.#cursors.get(feedId));
  }

  async store(feedId: string, entries: readonly FeedEntry[]): Promise<void> {
    if (this.isAway) throw new Error('away');
    const cursors = this.#cursors.get(feedId) ?? new Map<Partition, string>();
    this.#cursors.set(feedId, cursors);
    for (const { partition, cursor, change } of entries) {
      this.rows.set(`${change.key} ${change.incarnation} ${change.changeNumber}`, change);
      const before = Number(cursors.get(partition) ?? 0);
      cursors.set(partition, String(Math.max(before, Number(cursor))));
    }
    if (!this.losesReply) return;
    this.losesReply = false;
    throw new Error('the reply is lost');
  }
}

describe('the history of twins', () => {
  let feed: MemoryChangeFeed;
  let kept: KeptHistory;
  let metrics: Metrics;
  let counted: HistoryMetrics;
  const open: TwinHistory[] = [];

  beforeEach(() => {
    feed = new MemoryChangeFeed(systemClock, { entriesKept: 20 });
    kept = new KeptHistory();
    metrics = new Metrics('test');
    counted = historyMetrics(metrics);
  });
  afterEach(() => Promise.all(open.splice(0).map((history) => history.stop())));

  function start(of: MemoryChangeFeed = feed): TwinHistory {
    const history = new TwinHistory({
      ...{ feed: of, store: kept, isStoreReady: () => true, clock: systemClock },
      ...{ logger: createLogger('test', 'fatal'), metrics: counted, partitionCount: 2 },
      ...{ roundIntervalMs: 1, backoffMaxMs: 5 },
    });
    open.push(history);
    history.start();
    return history;
  }

  it('stores every change of every partition, also those from before it began', async () => {
    await feed.publish(P0, [change('a', 1)]);
    start();
    await until(() => kept.rows.size === 1);
    await feed.publish(P1, [change('b', 1), change('b', 2)]);
    await feed.publish(P0, [change('a', 2)]);
    await until(() => kept.rows.size === 4);
  });

  it('goes on where the last one ended, and takes a repetition for what it is', async () => {
    const first = start();
    kept.losesReply = true;
    await feed.publish(P0, [change('a', 1), change('a', 2)]);
    await until(() => kept.rows.size === 2 && !kept.losesReply && first.trouble === null);
    await first.stop();
    await feed.publish(P0, [change('a', 3), change('a', 2)]);
    start();
    await until(() => kept.rows.size === 3);
    expect(await missed()).toBe(0);
  });

  it('waits while the store is away, says so, and counts what the feed let go meanwhile', async () => {
    const history = start();
    await feed.publish(P0, [change('a', 1)]);
    await until(() => kept.rows.size === 1);
    kept.isAway = true;
    await feed.publish(P0, [change('a', 2)]);
    await until(() => history.trouble !== null);
    for (let number = 3; number <= 60; number += 1) await feed.publish(P0, [change('a', number)]);
    kept.isAway = false;
    await until(() => kept.rows.has('t/a 1 60'));
    expect(history.trouble).toBeNull();
    // The one that was read before, and the twenty that the feed keeps.
    expect(kept.rows.size).toBe(22);
    expect(await missed()).toBe(38);
  });

  it('reads a feed anew that has other changes under the numbers it has read, or fewer', async () => {
    await feed.publish(P0, [change('a', 1), change('a', 2), change('a', 3)]);
    const first = start();
    await until(() => kept.rows.size === 3);
    await first.stop();
    // What a replica has that takes over without the last writes: it ends earlier, and goes on otherwise.
    const other = new MemoryChangeFeed(systemClock, { entriesKept: 20 });
    await other.publish(P0, [change('a', 1), change('b', 7)]);
    start(other);
    await until(() => kept.rows.has('t/b 1 7'));
  });

  it('notices while it runs that the feed is another, even one that has grown as long', async () => {
    await feed.publish(P0, [change('a', 1), change('a', 2), change('a', 3)]);
    const turning = new TurningFeed(feed);
    start(turning as unknown as MemoryChangeFeed);
    await until(() => kept.rows.size === 3);
    const other = new MemoryChangeFeed(systemClock, { entriesKept: 20 });
    await other.publish(P0, [change('a', 1), change('b', 2), change('b', 3), change('b', 4)]);
    turning.turnTo(other);
    await until(() => ['t/b 1 2', 't/b 1 3', 't/b 1 4'].every((row) => kept.rows.has(row)));
  });

  it('begins a feed of another id at its beginning, however far it was in the one before, and finds back', async () => {
    await feed.publish(P0, [change('a', 1), change('a', 2), change('a', 3)]);
    const turning = new TurningFeed(feed);
    const first = start(turning as unknown as MemoryChangeFeed);
    await until(() => kept.rows.size === 3);
    const other = new MemoryChangeFeed(systemClock);
    await other.publish(P0, [change('b', 1), change('b', 2), change('b', 3), change('b', 4)]);
    turning.turnTo(other, 'another');
    await until(() => kept.rows.size === 7);
    await first.stop();
    expect(await kept.cursors('memory')).toEqual(new Map([[P0, '3']]));
    expect(await kept.cursors('another')).toEqual(new Map([[P0, '4']]));
    await feed.publish(P0, [change('a', 4)]);
    start();
    await until(() => kept.rows.has('t/a 1 4'));
    expect(await missed()).toBe(0);
  });

  async function missed(): Promise<number> {
    const line = /^\S*twin_history_missed_total\S* (\d+)$/m.exec(await metrics.registry.metrics());
    return Number(line?.[1] ?? 0);
  }
});

/** A connection to a feed that breaks, and is one to another feed afterwards. */
class TurningFeed {
  #feed: MemoryChangeFeed;
  #feedId = 'memory';
  #breaks = false;

  constructor(feed: MemoryChangeFeed) {
    this.#feed = feed;
  }

  turnTo(feed: MemoryChangeFeed, feedId = 'memory'): void {
    this.#feed = feed;
    this.#feedId = feedId;
    this.#breaks = true;
  }

  async feedId(): Promise<string> {
    return this.#feedId;
  }

  entryAt(partition: Partition, cursor: string): Promise<FeedEntry | null> {
    return this.#feed.entryAt(partition, cursor);
  }

  end(partition: Partition): Promise<string> {
    return this.#feed.end(partition);
  }

  async read(...args: Parameters<MemoryChangeFeed['read']>): Promise<readonly FeedEntry[]> {
    const from = this.#feed;
    const entries = await from.read(...args);
    if (!this.#breaks && from === this.#feed) return entries;
    this.#breaks = false;
    throw new Error('the connection broke');
  }
}

function change(device: string, changeNumber: number): ChangeRecord {
  return {
    ...{ key: `t/${device}` as DeviceKey, incarnation: 1, changeNumber, sections: ['reported'], tsMs: 1 },
    ...{ version: 1, reportedVersion: 1, logId: 'log' as LogId, lane: 'control', offset: 0 as Offset, document: '{}' },
  };
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
