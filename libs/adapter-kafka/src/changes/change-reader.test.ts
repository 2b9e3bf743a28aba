import type { DeviceKey, LogId, Offset, Partition } from '@breakwater/twin';
import { type FeedEntry, type LogFrame, PlatformError } from '@breakwater/twin-runtime';
import { beforeEach, describe, expect, it } from '@jest/globals';

import type { TopicReadBatch, TopicReadRequest } from '../log/topic-frame.ts';
import { encodeChangeLine } from './change-line.ts';
import { ChangeReader } from './change-reader.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;

/** A log of frames that answers whole frames, and refuses places that it does not have. */
class FrameLog {
  readonly frames = new Map<Partition, LogFrame[]>();
  readonly first = new Map<Partition, number>();
  reads = 0;

  add(partition: Partition, count: number): void {
    const { end } = this.boundsOf(partition);
    const lines = Array.from({ length: count }, (_, index) => line(end + index + 1));
    const frames = this.frames.get(partition) ?? [];
    this.frames.set(partition, frames);
    const [firstOffset, lastOffset] = [end as Offset, (end + count - 1) as Offset];
    frames.push({ firstOffset, lastOffset, appendedAtMs: 1, body: Buffer.from(lines.join('\n')) });
  }

  boundsOf(partition: Partition): { first: number; end: number } {
    const end = (this.frames.get(partition)?.at(-1)?.lastOffset ?? -1) + 1;
    return { first: this.first.get(partition) ?? 0, end };
  }

  async read(requests: readonly TopicReadRequest<'changes'>[]): Promise<readonly TopicReadBatch<'changes'>[]> {
    this.reads += 1;
    return requests.flatMap(({ partition, from }) => {
      const { first, end } = this.boundsOf(partition);
      if (from < first || from > end) {
        throw new PlatformError('POSITION_OUT_OF_RANGE', 'it is not there', { details: { partition, from } });
      }
      const frames = (this.frames.get(partition) ?? []).filter(({ lastOffset }) => lastOffset >= from);
      return frames.length === 0 ? [] : [{ lane: 'changes', partition, frames }];
    });
  }
}

function line(changeNumber: number): string {
  return encodeChangeLine({
    ...{ key: 't/d' as DeviceKey, incarnation: 1, changeNumber, sections: ['desired'], tsMs: 1, version: 1 },
    ...{ reportedVersion: 0, logId: 'log' as LogId, lane: 'control', offset: 1 as Offset, document: '{}' },
  });
}

function shown(entries: readonly FeedEntry[]): readonly string[] {
  return entries.map(({ partition, cursor, change }) => `${partition}:${cursor}:${change.changeNumber}`);
}

describe('the reader of changes', () => {
  let log: FrameLog;
  let reader: ChangeReader;
  const read = async (cursors: Record<number, string>, entriesMax: number): Promise<readonly string[]> => {
    const asked = new Map(
      Object.entries(cursors).map(([partition, cursor]) => [Number(partition) as Partition, cursor]),
    );
    return shown(await reader.read(asked, { entriesMax, waitMs: 0 }));
  };

  beforeEach(() => {
    log = new FrameLog();
    reader = new ChangeReader(log, async (partition) => log.boundsOf(partition));
  });

  it('gives out what it holds before it reads more, in fair shares that leave no room unused', async () => {
    log.add(P0, 1);
    log.add(P1, 9);
    expect(await read({ 0: '0', 1: '0' }, 4)).toEqual(['0:1:1', '1:1:1', '1:2:2', '1:3:3']);
    expect(await read({ 0: '1', 1: '3' }, 4)).toEqual(['1:4:4', '1:5:5', '1:6:6', '1:7:7']);
    expect(log.reads).toBe(1);
    expect(await read({ 0: '1', 1: '7' }, 4)).toEqual(['1:8:8', '1:9:9']);
    log.add(P0, 2);
    expect(await read({ 0: '1', 1: '9' }, 4)).toEqual(['0:2:2', '0:3:3']);
    expect(log.reads).toBe(2);
  });

  it('begins inside of a batch, and goes where it is told', async () => {
    log.add(P0, 5);
    expect(await read({ 0: '3' }, 9)).toEqual(['0:4:4', '0:5:5']);
    expect(await read({ 0: '1' }, 2)).toEqual(['0:2:2', '0:3:3']);
    expect(await read({ 0: '4' }, 2)).toEqual(['0:5:5']);
    expect(await read({ 0: '0' }, 1)).toEqual(['0:1:1']);
    expect(await read({ 0: '0' }, 1)).toEqual(['0:1:1']);
  });

  it('passes over what is gone, also when more goes meanwhile, and has nothing behind the end', async () => {
    log.add(P0, 4);
    log.add(P0, 4);
    log.add(P1, 1);
    log.first.set(P0, 5);
    expect(await read({ 0: '0', 1: '7' }, 2)).toEqual(['0:6:6', '0:7:7']);
    expect(await read({ 0: '7', 1: '7' }, 2)).toEqual(['0:8:8']);
    expect(await read({ 1: '7' }, 2)).toEqual([]);
    expect((await read({ 0: '0', 1: '0' }, 9)).toSorted()).toEqual(['0:6:6', '0:7:7', '0:8:8', '1:1:1']);
  });

  it('passes over nothing within the feed, and nothing that it cannot read', async () => {
    log.add(P0, 2);
    const body = Buffer.from([line(3), 'no change', line(5)].join('\n'));
    log.frames.get(P0)!.push({ firstOffset: 2 as Offset, lastOffset: 4 as Offset, appendedAtMs: 1, body });
    expect(await read({ 0: '0' }, 2)).toEqual(['0:1:1', '0:2:2']);
    for (let tries = 0; tries < 2; tries += 1) {
      await expect(read({ 0: '2' }, 9)).rejects.toMatchObject({ code: 'LOG_BATCH_UNREADABLE' });
    }
    // A hole: the log goes on further behind, and would answer from there.
    let refusals = 0;
    const readHoled = async (): Promise<readonly TopicReadBatch<'changes'>[]> => {
      if (refusals++ > 0) return [];
      throw new PlatformError('POSITION_OUT_OF_RANGE', 'a hole', { details: { partition: P0 } });
    };
    const holed = new ChangeReader({ read: readHoled }, async () => ({ first: 0, end: 9 }));
    await expect(holed.read(new Map([[P0, '4']]), { entriesMax: 1, waitMs: 0 })).rejects.toMatchObject({
      code: 'POSITION_OUT_OF_RANGE',
    });
  });
});
