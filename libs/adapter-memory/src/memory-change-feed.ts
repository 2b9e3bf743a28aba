import type { DeviceKey, Partition } from '@breakwater/twin';
import type { ChangeFeed, ChangeRecord, Clock, FeedEntry } from '@breakwater/twin-runtime';

import { ArrivalSignal } from './arrival-signal.ts';

const ENTRIES_KEPT = 10_000;

interface Feed {
  readonly entries: FeedEntry[];
  end: number;
}

/** The change feed in memory. A cursor is the number of the entry it stands behind. */
export class MemoryChangeFeed implements ChangeFeed {
  readonly #entriesKept: number;
  readonly #arrivals: ArrivalSignal;
  readonly #feeds = new Map<Partition, Feed>();

  constructor(clock: Clock, options: { readonly entriesKept?: number } = {}) {
    this.#entriesKept = options.entriesKept ?? ENTRIES_KEPT;
    this.#arrivals = new ArrivalSignal(clock);
  }

  async feedId(): Promise<string> {
    return 'memory';
  }

  async publish(partition: Partition, changes: readonly ChangeRecord[]): Promise<void> {
    const feed = this.#feed(partition);
    for (const change of changes) feed.entries.push({ partition, cursor: String(++feed.end), change });
    feed.entries.splice(0, Math.max(0, feed.entries.length - this.#entriesKept));
    this.#arrivals.arrived();
  }

  async read(
    cursors: ReadonlyMap<Partition, string>,
    limits: { readonly entriesMax: number; readonly waitMs: number },
  ): Promise<readonly FeedEntry[]> {
    const entries = this.#readNow(cursors, limits.entriesMax);
    if (entries.length > 0 || limits.waitMs === 0) return entries;
    await this.#arrivals.wait(limits.waitMs);
    return this.#readNow(cursors, limits.entriesMax);
  }

  async since(
    partition: Partition,
    key: DeviceKey,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly FeedEntry[]; readonly gap: boolean }> {
    const feed = this.#feed(partition);
    const entries = this.#after(partition, cursor).filter((entry) => entry.change.key === key);
    const gap = Number(cursor) < feed.end - feed.entries.length || Number(cursor) > feed.end;
    return { entries: entries.slice(0, limit), gap };
  }

  async entryAt(partition: Partition, cursor: string): Promise<FeedEntry | null> {
    return this.#feed(partition).entries.find((entry) => entry.cursor === cursor) ?? null;
  }

  async end(partition: Partition): Promise<string> {
    return String(this.#feed(partition).end);
  }

  #readNow(cursors: ReadonlyMap<Partition, string>, entriesMax: number): readonly FeedEntry[] {
    return [...cursors].flatMap(([partition, cursor]) => this.#after(partition, cursor)).slice(0, entriesMax);
  }

  #after(partition: Partition, cursor: string): readonly FeedEntry[] {
    return this.#feed(partition).entries.filter((entry) => Number(entry.cursor) > Number(cursor));
  }

  #feed(partition: Partition): Feed {
    let feed = this.#feeds.get(partition);
    if (feed === undefined) this.#feeds.set(partition, (feed = { entries: [], end: 0 }));
    return feed;
  }
}
