import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';

import type { ChangeFeed, ChangeRecord, FeedEntry } from '../ports/change-feed.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

export interface ChangeFeedContractOptions {
  /** About how many entries a partition's feed keeps; it may keep some more. */
  readonly entriesKept: number;
}

const OPTIONS: ChangeFeedContractOptions = { entriesKept: 100 };
const FAR_BEYOND_KEPT = 20 * OPTIONS.entriesKept;
const P0 = 0 as Partition;
const P1 = 1 as Partition;
const KEY = 'default/d1' as DeviceKey;
const OTHER = 'default/d2' as DeviceKey;
const LIMITS = { entriesMax: 50, waitMs: 0 };
const WAIT_MS = 5_000;
const ROUNDS_MAX = 20;

/** What every change feed must do. */
export function changeFeedContract(name: string, maker: HarnessMaker<ChangeFeed, ChangeFeedContractOptions>): void {
  describe(`change feed contract: ${name}`, () => {
    let harness: ContractHarness<ChangeFeed>;
    let feed: ChangeFeed;
    beforeEach(async () => {
      harness = await maker.make(OPTIONS);
      feed = harness.port;
    });
    afterEach(() => harness.cleanup());

    it('reads what was published after a cursor, in order', async () => {
      await feed.publish(P0, [change(KEY, 1)]);
      const cursors = new Map([[P0, await feed.end(P0)]]);
      expect(await feed.read(cursors, LIMITS)).toEqual([]);
      await feed.publish(P0, [change(KEY, 2), change(OTHER, 1)]);
      await feed.publish(P0, [change(KEY, 3)]);
      const entries = await feed.read(cursors, LIMITS);
      expect(entries.map(({ change: { key, changeNumber } }) => [key, changeNumber])).toEqual([
        [KEY, 2],
        [OTHER, 1],
        [KEY, 3],
      ]);
      expect(entries[0]?.change).toEqual(change(KEY, 2));
      const rest = await feed.read(new Map([[P0, (entries[1] as FeedEntry).cursor]]), LIMITS);
      expect(numbers(rest)).toEqual([3]);
      expect(await feed.end(P0)).toBe((entries[2] as FeedEntry).cursor);
    });

    it('reads what it keeps from the beginning, and no change twice when it is read a few at a time', async () => {
      await feed.publish(P0, [change(KEY, 1), change(KEY, 2), change(KEY, 3)]);
      await feed.publish(P1, [change(OTHER, 1), change(OTHER, 2)]);
      await feed.publish(P0, [change(KEY, 4)]);
      const cursors = new Map([P0, P1].map((partition) => [partition, '0']));
      const read: FeedEntry[] = [];
      for (let rounds = 0; read.length < 6 && rounds < ROUNDS_MAX; rounds += 1) {
        for (const entry of await feed.read(cursors, { entriesMax: 2, waitMs: 0 })) {
          cursors.set(entry.partition, entry.cursor);
          read.push(entry);
        }
      }
      expect(numbers(read.filter(({ partition }) => partition === P0))).toEqual([1, 2, 3, 4]);
      expect(numbers(read.filter(({ partition }) => partition === P1))).toEqual([1, 2]);
      expect(await feed.read(cursors, LIMITS)).toEqual([]);
      const again = await feed.read(new Map([[P0, '2']]), LIMITS);
      expect(numbers(again)).toEqual([3, 4]);
    });

    it('numbers changes without holes, and finds each by its cursor', async () => {
      expect(await feed.feedId()).toBe(await feed.feedId());
      expect(await feed.end(P0)).toBe('0');
      await feed.publish(P0, [change(KEY, 7), change(OTHER, 8)]);
      await feed.publish(P0, [{ ...change(KEY, 9), traceparent: '00-1-2-01' }]);
      const entries = await feed.read(new Map([[P0, '0']]), LIMITS);
      expect(entries.map(({ cursor }) => cursor)).toEqual(['1', '2', '3']);
      for (const entry of entries) expect(await feed.entryAt(P0, entry.cursor)).toEqual(entry);
      expect(entries[2]?.change.traceparent).toBe('00-1-2-01');
      expect(await feed.entryAt(P0, '4')).toBeNull();
      expect(await feed.entryAt(P0, '0')).toBeNull();
    });

    it('has nothing after a cursor beyond its end', async () => {
      await feed.publish(P0, [change(KEY, 1)]);
      await feed.publish(P1, [change(OTHER, 1)]);
      const cursors = new Map([
        [P0, '9'],
        [P1, '0'],
      ]);
      expect((await feed.read(cursors, LIMITS)).map(({ partition }) => partition)).toEqual([P1]);
      expect((await feed.since(P0, KEY, '9', 10)).gap).toBe(true);
    });

    it('reads several partitions, each after its own cursor', async () => {
      const cursors = new Map([
        [P0, await feed.end(P0)],
        [P1, await feed.end(P1)],
      ]);
      await feed.publish(P1, [change(OTHER, 5)]);
      await feed.publish(P0, [change(KEY, 4)]);
      const entries = await feed.read(cursors, LIMITS);
      expect(entries.map(({ partition }) => partition).sort()).toEqual([P0, P1]);
    });

    it('wakes a reader that waits', async () => {
      const waiting = feed.read(new Map([[P0, await feed.end(P0)]]), { ...LIMITS, waitMs: WAIT_MS });
      await feed.publish(P0, [change(KEY, 1)]);
      expect(numbers(await waiting)).toEqual([1]);
    });

    it("answers one device's changes after a cursor", async () => {
      const start = await feed.end(P0);
      await feed.publish(P0, [change(KEY, 1), change(OTHER, 1), change(KEY, 2), change(KEY, 3)]);
      const all = await feed.since(P0, KEY, start, 10);
      expect(all.gap).toBe(false);
      expect(numbers(all.entries)).toEqual([1, 2, 3]);
      const later = await feed.since(P0, KEY, (all.entries[0] as FeedEntry).cursor, 1);
      expect(numbers(later.entries)).toEqual([2]);
    });

    it('says so when changes after the cursor are no longer kept', async () => {
      await feed.publish(P0, [change(KEY, 1)]);
      const early = await feed.end(P0);
      for (let number = 2; number < FAR_BEYOND_KEPT; number += LIMITS.entriesMax) {
        await feed.publish(
          P0,
          Array.from({ length: LIMITS.entriesMax }, (_, index) => change(OTHER, number + index)),
        );
      }
      expect((await feed.since(P0, KEY, early, 10)).gap).toBe(true);
      expect((await feed.since(P0, KEY, await feed.end(P0), 10)).gap).toBe(false);
    });
  });
}

function numbers(entries: readonly FeedEntry[]): number[] {
  return entries.map((entry) => entry.change.changeNumber);
}

function change(key: DeviceKey, changeNumber: number): ChangeRecord {
  return {
    ...{ key, incarnation: 1, changeNumber, sections: ['desired'], tsMs: 1_000, version: 1, reportedVersion: 0 },
    ...{ logId: 'log' as LogId, lane: 'control', offset: changeNumber as Offset, document: '{"id":"ä"}' },
  };
}
