import { setTimeout as delay } from 'node:timers/promises';

import type { DeviceKey, Partition } from '@breakwater/twin';
import type { ChangeFeed, ChangeRecord, FeedEntry } from '@breakwater/twin-runtime';

import { blockingConnection } from './connect-redis.ts';
import { readStreams } from './read-streams.ts';
import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import { publishChangesScript } from './scripts/change-feed-scripts.ts';

export interface RedisChangeFeedOptions {
  readonly redis: RedisClient;
  /** Changes that a partition's feed keeps. */
  readonly entriesKept: number;
  /** Their bytes. */
  readonly bytesKept: number;
}

type Entry = readonly [id: string, fields: readonly string[]];
type Feed = readonly [key: string, entries: readonly Entry[]];

const FEED_ID = 'redis';
const READ_WAIT_MS_MAX = 10_000;
const SCAN_CHUNK = 256;

/**
 * One stream per partition, numbered without holes: a cursor is the number of the last change seen, so a gap shows as
 * a first kept number that does not follow it.
 */
export class RedisChangeFeed implements ChangeFeed {
  readonly #options: RedisChangeFeedOptions;
  #reading: RedisClient | null = null;

  constructor(options: RedisChangeFeedOptions) {
    this.#options = options;
  }

  /** Another reader with a connection of its own, on the same feed. */
  reader(): RedisChangeFeed {
    return new RedisChangeFeed(this.#options);
  }

  /** There is one in a Redis. One that lost its end, or everything, has the same id and other changes. */
  async feedId(): Promise<string> {
    return FEED_ID;
  }

  async publish(partition: Partition, changes: readonly ChangeRecord[]): Promise<void> {
    if (changes.length === 0) return;
    const { redis, entriesKept, bytesKept } = this.#options;
    await publishChangesScript.run(
      redis,
      [redisKeys.changes(partition), redisKeys.changesState(partition)],
      [entriesKept, bytesKept, ...changes.flatMap((change) => [change.key, JSON.stringify(change)])],
    );
  }

  /** One caller at a time per instance. */
  async read(
    cursors: ReadonlyMap<Partition, string>,
    limits: { readonly entriesMax: number; readonly waitMs: number },
  ): Promise<readonly FeedEntry[]> {
    const waitMs = Math.min(limits.waitMs, READ_WAIT_MS_MAX);
    if (cursors.size === 0) {
      await delay(waitMs);
      return [];
    }
    this.#reading ??= blockingConnection(this.#options.redis, READ_WAIT_MS_MAX);
    const partitions = new Map([...cursors.keys()].map((partition) => [redisKeys.changes(partition), partition]));
    const reading = this.#reading;
    const places = [...cursors].map(([partition, cursor]) => ({
      key: redisKeys.changes(partition),
      after: `${cursor}-1`,
    }));
    const read = (args: (string | number)[]) => reading.call('XREAD', args) as Promise<Feed[] | null>;
    // Of each stream: none may take the room of the others, or theirs would never be read.
    const count = Math.max(1, Math.floor(limits.entriesMax / cursors.size));
    const reply = await readStreams(read, reading, { places, count, waitMs });
    const found = reply.flatMap(([key, entries]) => {
      const partition = partitions.get(key)!;
      return entries.map((entry) => entryOf(partition, entry));
    });
    return found.slice(0, limits.entriesMax);
  }

  async since(
    partition: Partition,
    key: DeviceKey,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly FeedEntry[]; readonly gap: boolean }> {
    const { redis } = this.#options;
    const feed = redisKeys.changes(partition);
    const [[oldest], end] = await Promise.all([redis.xrange(feed, '-', '+', 'COUNT', 1), this.end(partition)]);
    const first = oldest === undefined ? Number(end) + 1 : Number.parseInt(oldest[0], 10);
    // A cursor beyond the end is of another life of the feed: nobody knows what came after it.
    const gap = first > Number(cursor) + 1 || Number(cursor) > Number(end);
    const entries: FeedEntry[] = [];
    let after = `(${cursor}-1`;
    for (;;) {
      const chunk: readonly Entry[] = await redis.xrange(feed, after, '+', 'COUNT', SCAN_CHUNK);
      for (const entry of chunk) {
        if (entry[1][1] === key && entries.length < limit) entries.push(entryOf(partition, entry));
      }
      const last = chunk.at(-1);
      if (last === undefined || chunk.length < SCAN_CHUNK || entries.length >= limit) return { entries, gap };
      after = `(${last[0]}`;
    }
  }

  async entryAt(partition: Partition, cursor: string): Promise<FeedEntry | null> {
    const id = `${cursor}-1`;
    const [entry] = await this.#options.redis.xrange(redisKeys.changes(partition), id, id);
    return entry === undefined ? null : entryOf(partition, entry);
  }

  async end(partition: Partition): Promise<string> {
    return (await this.#options.redis.hget(redisKeys.changesState(partition), 'end')) ?? '0';
  }

  /** Ends this instance's reading connection; the connection that it was given stays open. */
  close(): void {
    this.#reading?.disconnect();
  }
}

function entryOf(partition: Partition, [id, fields]: Entry): FeedEntry {
  return { partition, cursor: String(Number.parseInt(id, 10)), change: JSON.parse(fields[3]!) as ChangeRecord };
}
