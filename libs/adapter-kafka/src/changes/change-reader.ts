import { setTimeout as delay } from 'node:timers/promises';

import type { Offset, Partition } from '@breakwater/twin';
import { type FeedEntry, PlatformError } from '@breakwater/twin-runtime';

import type { LogReader } from '../log/log-reader.ts';
import type { PartitionBounds } from '../log/offset-lookup.ts';
import type { TopicReadBatch } from '../log/topic-frame.ts';
import { decodeChangeLine } from './change-line.ts';

/** Where one partition is read. The cursor of a change is its offset and one: how many stand up to it. */
interface Place {
  /** The cursor that was asked with. It may lie before what is kept. */
  asked: number;
  /** The offset of the first line that is held, or else of the next to be read. */
  next: number;
  /** Fetched, and not given out yet. */
  lines: string[];
}

export interface ChangeReaderLimits {
  readonly entriesMax: number;
  readonly waitMs: number;
}

const FRAMES_MAX_PER_PARTITION = 1_024;

/**
 * Reads the feed from cursors. What one read brings beyond what was asked for is held, at most one fetch of each
 * partition, and given out before more is read: shares are equal at first, and whoever has more fills what is left.
 */
export class ChangeReader {
  readonly #log: Pick<LogReader<'changes'>, 'read'>;
  readonly #bounds: (partition: Partition) => Promise<PartitionBounds>;
  readonly #places = new Map<Partition, Place>();

  constructor(log: Pick<LogReader<'changes'>, 'read'>, bounds: (partition: Partition) => Promise<PartitionBounds>) {
    this.#log = log;
    this.#bounds = bounds;
  }

  /** One caller at a time. */
  async read(cursors: ReadonlyMap<Partition, string>, limits: ChangeReaderLimits): Promise<readonly FeedEntry[]> {
    for (const partition of this.#places.keys()) if (!cursors.has(partition)) this.#places.delete(partition);
    for (const [partition, cursor] of cursors) this.#moveTo(partition, Number(cursor));
    if ([...this.#places.values()].every(({ lines }) => lines.length === 0)) await this.#fill(limits.waitMs);
    return this.#take(limits.entriesMax);
  }

  #moveTo(partition: Partition, cursor: number): void {
    const place = this.#places.get(partition);
    if (place?.asked === cursor) return;
    const held = place === undefined ? -1 : cursor - place.next;
    if (held < 0 || held > place!.lines.length) {
      this.#places.set(partition, { asked: cursor, next: cursor, lines: [] });
      return;
    }
    place!.lines.splice(0, held);
    place!.next = cursor;
    place!.asked = cursor;
  }

  async #fill(waitMs: number): Promise<void> {
    const beyond = new Set<Partition>();
    // Of each partition one place may have to be found, and it may be gone again by then.
    for (let tries = 2 * this.#places.size; ; tries -= 1) {
      const asked = [...this.#places].filter(([partition]) => !beyond.has(partition));
      if (asked.length === 0) {
        await delay(waitMs);
        return;
      }
      const requests = asked.map(([partition, { next }]) => ({
        ...{ lane: 'changes' as const, partition, from: next as Offset },
      }));
      try {
        for (const batch of await this.#log.read(requests, { framesMaxPerPartition: FRAMES_MAX_PER_PARTITION, waitMs }))
          this.#hold(batch);
        return;
      } catch (error) {
        if (tries === 0) throw error;
        await this.#findPlace(error, beyond);
      }
    }
  }

  /** What is gone is passed over, as the cursors of what follows show. Behind its end there is nothing. */
  async #findPlace(error: unknown, beyond: Set<Partition>): Promise<void> {
    if (!(error instanceof PlatformError) || error.code !== 'POSITION_OUT_OF_RANGE') throw error;
    const partition = error.details['partition'] as Partition;
    const place = this.#places.get(partition);
    if (place === undefined) throw error;
    const { first, end } = await this.#bounds(partition);
    if (place.next < first) place.next = first;
    else if (place.next > end) beyond.add(partition);
    // Within what is kept nothing may be missing.
    else throw error;
  }

  #hold({ partition, frames }: TopicReadBatch<'changes'>): void {
    const place = this.#places.get(partition);
    for (const { firstOffset, body } of place === undefined ? [] : frames) {
      const lines = body.toString().split('\n');
      const heldTo = place!.next + place!.lines.length;
      place!.lines.push(...lines.slice(Math.max(0, heldTo - firstOffset)));
    }
  }

  #take(entriesMax: number): readonly FeedEntry[] {
    const entries: FeedEntry[] = [];
    for (let room = entriesMax; room > 0; room = entriesMax - entries.length) {
      const held = [...this.#places].filter(([, { lines }]) => lines.length > 0);
      if (held.length === 0) break;
      const share = Math.max(1, Math.floor(room / held.length));
      for (const [partition, place] of held) {
        const count = Math.min(share, entriesMax - entries.length);
        const { next } = place;
        const given = place.lines
          .slice(0, count)
          .map((line, index) => ({ partition, cursor: String(next + index + 1), change: decodeChangeLine(line) }));
        place.lines.splice(0, given.length);
        place.next += given.length;
        place.asked = place.next;
        entries.push(...given);
      }
    }
    return entries;
  }
}
