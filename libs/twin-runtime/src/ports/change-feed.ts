import type { DeviceKey, Partition } from '@breakwater/twin';

/** A document after a change, as live views and history see it. Consumers drop versions that they have seen. */
export interface ChangeRecord {
  readonly key: DeviceKey;
  readonly incarnation: number;
  /** Grows with every change record of the twin; with `incarnation` it makes a repeated record recognisable. */
  readonly changeNumber: number;
  readonly sections: readonly string[];
  readonly tsMs: number;
  /** The whole document, as JSON text. */
  readonly document: string;
}

export interface FeedEntry {
  readonly partition: Partition;
  /** Place in the partition's feed; opaque, ordered by the feed. */
  readonly cursor: string;
  readonly change: ChangeRecord;
}

/** The topic `changes`. Bounded: a cursor older than what is kept answers `gap: true`. */
export interface ChangeFeed {
  publish(partition: Partition, changes: readonly ChangeRecord[]): Promise<void>;
  /** Everything after the cursors; a partition without a cursor starts at the present. */
  read(
    cursors: ReadonlyMap<Partition, string>,
    limits: { readonly entriesMax: number; readonly waitMs: number },
  ): Promise<readonly FeedEntry[]>;
  /** One device's kept changes after a cursor. */
  since(
    partition: Partition,
    key: DeviceKey,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly FeedEntry[]; readonly gap: boolean }>;
  end(partition: Partition): Promise<string>;
}
