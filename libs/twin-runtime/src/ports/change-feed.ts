import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';

import type { Lane } from './event-log.ts';

/** A document after a change, as live views and history see it. Consumers drop versions that they have seen. */
export interface ChangeRecord {
  readonly key: DeviceKey;
  readonly incarnation: number;
  /** Grows with every change record of the twin; with `incarnation` it makes a repeated record recognisable. */
  readonly changeNumber: number;
  readonly sections: readonly string[];
  readonly tsMs: number;
  /** Of desired and tags, and of reported, after the change. */
  readonly version: number;
  readonly reportedVersion: number;
  /** The record that caused it; the last one, where the changes of several became one. */
  readonly logId: LogId;
  readonly lane: Lane;
  readonly offset: Offset;
  /** Of that record, where it has one (W3C). */
  readonly traceparent?: string;
  /** The whole document, as JSON text. */
  readonly document: string;
}

export interface FeedEntry {
  readonly partition: Partition;
  /** Place in the partition's feed: a number in decimal digits, one more than that of the change before it. */
  readonly cursor: string;
  readonly change: ChangeRecord;
}

/**
 * The topic `changes`. Bounded: a cursor older than what is kept answers `gap: true`. What is published twice stands
 * there twice.
 */
export interface ChangeFeed {
  /** Cursors are of one feed: under another id the same cursor says nothing. */
  feedId(): Promise<string>;
  /** When it rejects, some or all of them may be in the feed. */
  publish(partition: Partition, changes: readonly ChangeRecord[]): Promise<void>;
  /** What is kept after the cursors, each in the order of its partition. */
  read(
    cursors: ReadonlyMap<Partition, string>,
    limits: { readonly entriesMax: number; readonly waitMs: number },
  ): Promise<readonly FeedEntry[]>;
  /** One device's kept changes after a cursor; they may be left out behind a gap. */
  since(
    partition: Partition,
    key: DeviceKey,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly FeedEntry[]; readonly gap: boolean }>;
  /** The change with exactly this cursor; null where none is kept. */
  entryAt(partition: Partition, cursor: string): Promise<FeedEntry | null>;
  /** The cursor of the last change, `0` before the first. */
  end(partition: Partition): Promise<string>;
}
