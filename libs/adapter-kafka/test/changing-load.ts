import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';
import type { ChangeRecord, FeedEntry } from '@breakwater/twin-runtime';
import { expect } from '@jest/globals';

import type { KafkaChangeFeed } from '../src/index.ts';

const PARTITIONS = [0, 1] as Partition[];
const DEVICES = 10;
const REST_MS = 20;
const READS_MAX = 2_000;

/** Twins that change all the time, published as an outbox does: in order, and again until it is confirmed. */
export class ChangingLoad {
  readonly #feed: KafkaChangeFeed;
  readonly #numbers = new Map<DeviceKey, number>();
  #published = 0;
  #isStopped = false;
  repeated = 0;

  constructor(feed: KafkaChangeFeed) {
    this.#feed = feed;
  }

  async run(): Promise<void> {
    while (!this.#isStopped) await this.round();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Every twin changes once, in each partition. */
  async round(): Promise<void> {
    await Promise.all(PARTITIONS.map((partition) => this.#publish(partition)));
  }

  /** Waits until so many more are published. */
  async published(count: number): Promise<void> {
    const target = this.#published + count;
    while (this.#published < target) await rest();
  }

  /** All of them are in the feed at least once, under numbers without holes; each twin's newest is its highest. */
  async check(): Promise<void> {
    const reader = this.#feed;
    for (const partition of PARTITIONS) {
      const end = Number(await reader.end(partition));
      const entries: FeedEntry[] = [];
      for (let reads = 0; entries.length < end && reads < READS_MAX; reads += 1) {
        const cursors = new Map([[partition, String(entries.length)]]);
        entries.push(...(await reader.read(cursors, { entriesMax: 1_000, waitMs: 1_000 })));
      }
      expect(entries.map(({ cursor }) => Number(cursor))).toEqual(Array.from({ length: end }, (_, at) => at + 1));
      for (const [key, number] of this.#numbers) {
        if (partitionOf(key) !== partition) continue;
        const versions = entries.filter(({ change }) => change.key === key).map(({ change }) => change.changeNumber);
        expect(new Set(versions)).toEqual(new Set(Array.from({ length: number }, (_, at) => at + 1)));
        expect(firstTimes(versions)).toEqual(Array.from({ length: number }, (_, at) => at + 1));
      }
    }
  }

  async #publish(partition: Partition): Promise<void> {
    const changes = Array.from({ length: DEVICES }, (_, device): ChangeRecord => {
      const key = `default/${partition}-${device}` as DeviceKey;
      const number = (this.#numbers.get(key) ?? 0) + 1;
      this.#numbers.set(key, number);
      return {
        ...{ key, incarnation: 1, changeNumber: number, sections: ['reported'], tsMs: number, version: number },
        ...{ reportedVersion: 0, logId: 'log' as LogId, lane: 'control', offset: number as Offset },
        document: JSON.stringify({ id: key, version: number }),
      };
    });
    for (;;) {
      try {
        await this.#feed.publish(partition, changes);
        this.#published += changes.length;
        return;
      } catch {
        this.repeated += 1;
        await rest();
      }
    }
  }
}

/** In the order in which a change of each number came first: nothing has overtaken what was published before. */
function firstTimes(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)];
}

function partitionOf(key: DeviceKey): number {
  return Number(key.slice('default/'.length).split('-')[0]);
}

function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REST_MS));
}
