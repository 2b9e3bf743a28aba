import type { Partition } from '@breakwater/twin';
import { type AppendRequest, type AppendResult, type EventLog, systemClock } from '@breakwater/twin-runtime';
import { afterEach, describe, expect, it } from '@jest/globals';

import { AppendBatcher, type AppendClass, type AppendLimits } from './append-batcher.ts';
import type { AppendOutcome } from './lane-queue.ts';
import type { QueueShare } from './waiting-records.ts';

const LIMITS: AppendLimits = {
  flushMs: 0,
  flightsMax: 3,
  frameRecordsMax: 100,
  frameBytesMax: 10_000,
  gatherRecords: 1_000,
  pressureBytes: 3_000,
  queueRecordsMax: 1_000,
  queueBytesMax: 8_000,
  shedBytes: 4_000,
  withholdMs: 60_000,
  retryMsMin: 1,
  retryMsMax: 2,
};
const open: AppendBatcher[] = [];
/** A batcher on a full log would try again for ever. */
afterEach(() => open.splice(0).forEach((batcher) => batcher.giveUpProducer('the test is over')));

const LINE = 'x'.repeat(100);

/** A batcher on a log that is full until it is told otherwise. */
function fullLog(limits: Partial<AppendLimits> = {}) {
  let isFull = true;
  let end = 0;
  const pressure: boolean[] = [];
  const log = {
    append: async (requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> =>
      requests.map((request) => {
        if (isFull) return { kind: 'refused', code: 'LANE_FULL' };
        const firstOffset = end;
        end += request.recordCount;
        return { kind: 'appended', firstOffset: firstOffset as never, appendedAtMs: 0, repeated: false };
      }),
  };
  const batcher = new AppendBatcher({
    log: log as unknown as EventLog,
    clock: systemClock,
    partitionCount: 1,
    limits: { ...LIMITS, ...limits },
    onProducerLost: () => undefined,
    onPressure: () => pressure.push(batcher.isPressed),
  });
  batcher.restart('gw-1');
  open.push(batcher);
  const target = (share: QueueShare) => ({ lane: 'telemetry', partition: 0 as Partition, share }) as const;
  /** What became of it at once; null for what waits. */
  const add = async (share: QueueShare, appendClass: AppendClass = 'keep', line = LINE) => {
    const found: { outcome: AppendOutcome | null } = { outcome: null };
    void batcher.append(target(share), line, appendClass).then((outcome) => (found.outcome = outcome));
    await Promise.resolve();
    await Promise.resolve();
    return found.outcome;
  };
  return { batcher, pressure, add, makeRoom: () => (isFull = false) };
}

const shareOf = (): QueueShare => ({ queuedBytes: 0 });

describe('the queue for the log, filled', () => {
  it('tells of pressure, sheds what may be shed, and takes no more, in this order; and drains by itself', async () => {
    const { batcher, pressure, add, makeRoom } = fullLog();
    const share = shareOf();
    for (let count = 0; count < 30; count++) expect(await add(share, 'mayBeShed')).toBeNull();
    expect(pressure).toEqual([]);
    for (let count = 30; count < 40; count++) expect(await add(share, 'mayBeShed')).toBeNull();
    expect(pressure).toEqual([true]);
    expect(await add(share, 'mayBeShed')).toEqual({ kind: 'shed', reason: 'queue' });
    for (let count = 40; count < 80; count++) expect(await add(share)).toBeNull();
    expect(await add(share)).toMatchObject({ kind: 'failed' });
    expect([batcher.load, share.queuedBytes]).toEqual([8_000, 8_000]);
    makeRoom();
    await batcher.idle();
    expect(pressure).toEqual([true, false]);
    expect([batcher.load, batcher.bytes, share.queuedBytes, batcher.isWithheld]).toEqual([0, 0, 0, false]);
  });

  it('counts small records by what they cost, so that they cannot pass the limits in bytes', async () => {
    const { batcher, add } = fullLog();
    const share = shareOf();
    for (let count = 0; count < 1_000; count++) expect(await add(share, 'keep', 'y')).toBeNull();
    expect([batcher.records, batcher.load]).toEqual([1_000, 8_000]);
    expect(await add(share, 'keep', 'y')).toMatchObject({ kind: 'failed' });
  });

  it('leaves room to those who send little, and sheds nothing of theirs', async () => {
    const { batcher, add } = fullLog();
    const [loud, quiet] = [shareOf(), shareOf()];
    expect(await add(quiet)).toBeNull();
    for (let count = 0; count < 69; count++) expect(await add(loud)).toBeNull();
    expect(await add(loud)).toMatchObject({ kind: 'failed' });
    expect(batcher.load).toBe(7_000);
    expect(await add(loud, 'mayBeShed')).toMatchObject({ kind: 'shed' });
    for (let count = 0; count < 5; count++) expect(await add(quiet, 'mayBeShed')).toBeNull();
    for (let count = 0; count < 5; count++) expect(await add(quiet)).toBeNull();
    expect(await add(quiet)).toMatchObject({ kind: 'failed' });
  });

  it('sheds whatever may be shed when it is told to', async () => {
    const { batcher, add } = fullLog();
    batcher.shedsAll = true;
    expect(await add(shareOf(), 'mayBeShed')).toEqual({ kind: 'shed', reason: 'memory' });
    expect(await add(shareOf())).toBeNull();
  });

  it('forgets what it gave up', async () => {
    const { batcher, add, pressure } = fullLog();
    const share = shareOf();
    for (let count = 0; count < 60; count++) await add(share);
    batcher.giveUpProducer('for the test');
    expect([batcher.load, share.queuedBytes, batcher.records]).toEqual([0, 0, 0]);
    expect(pressure).toEqual([true, false]);
  });
});
