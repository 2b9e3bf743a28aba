import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { LogId, Offset, Partition } from '@breakwater/twin';

import type { AppendRequest, AppendResult, EventLog, Lane, LogFrame, RecordSource } from '../ports/event-log.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

/** Budgets small enough for a test to reach. */
export interface EventLogContractOptions {
  /** Bytes that one lane may hold (of one partition, or of all: the suite fills one partition only). */
  readonly laneBytesMax: number;
  /** Bytes that the telemetry lane may hold above that, of records of the platform's own. */
  readonly telemetryReserveBytes: number;
  /** Bytes that one frame's body may have. */
  readonly frameBytesMax: number;
}

/** What a log may do otherwise than the others. Nobody above the port asks for it. */
export interface EventLogCapabilities {
  /**
   * Each lane has a budget in bytes, which the log counts, and refuses appends above it. Without: what is kept is
   * bounded by the rules of the server that keeps it, `bounds` answers 0 bytes, and no append is refused as LANE_FULL
   * for what lies in the log.
   */
  readonly laneBudgets: boolean;
}

const ALL_CAPABILITIES: EventLogCapabilities = { laneBudgets: true };

const OPTIONS: EventLogContractOptions = {
  laneBytesMax: 64 * 1024,
  telemetryReserveBytes: 32 * 1024,
  frameBytesMax: 8 * 1024,
};
const P0 = 0 as Partition;
const P1 = 1 as Partition;
const MANY_FRAMES = 100;
const READ = { framesMaxPerPartition: MANY_FRAMES, waitMs: 0 };
/** Waits are cut short by the event; this only bounds a failure. */
const WAIT_MS = 5_000;

/** What every event log must do. `make` answers an empty log with at least two partitions. */
export function eventLogContract(
  name: string,
  maker: HarnessMaker<EventLog, EventLogContractOptions>,
  capabilities: EventLogCapabilities = ALL_CAPABILITIES,
): void {
  describe(`event log contract: ${name}`, () => {
    let harness: ContractHarness<EventLog>;
    let log: EventLog;
    beforeEach(async () => {
      harness = await maker.make(OPTIONS);
      log = harness.port;
    });
    afterEach(() => harness.cleanup());
    const current = (): EventLog => log;
    appending(current);
    reading(current);
    trimming(current);
    if (capabilities.laneBudgets) {
      budgets(current);
      reserve(current);
    }
  });
}

function appending(current: () => EventLog): void {
  it('gives contiguous offsets from 0, per lane and partition', async () => {
    const log = current();
    expect(await append(log, frame({ seq: 1, lines: ['a', 'b'] }))).toMatchObject(appended(0));
    expect(await append(log, frame({ seq: 2, lines: ['c'] }))).toMatchObject(appended(2));
    expect(await append(log, frame({ seq: 1, lines: ['x'], lane: 'control' }))).toMatchObject(appended(0));
    expect(await append(log, frame({ seq: 1, lines: ['y'], partition: P1 }))).toMatchObject(appended(0));
    expect(await append(log, frame({ seq: 3, lines: ['d', 'e', 'f'] }))).toMatchObject(appended(3));
    expect(await log.bounds('telemetry', P0)).toMatchObject({ first: 0, end: 6 });
  });

  it('answers requests of one call in their order, each alone', async () => {
    const results = await current().append([
      frame({ seq: 1, lines: ['a'] }),
      frame({ seq: 3, lines: ['gap'] }),
      frame({ seq: 1, lines: ['b'], partition: P1 }),
      frame({ seq: 2, lines: ['c'] }),
    ]);
    expect(results).toMatchObject([appended(0), refused('SEQUENCE_GAP'), appended(0), appended(1)]);
  });

  it('answers a repeated sequence number with the stored offset and appends nothing', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a', 'b'] }));
    const first = await append(log, frame({ seq: 2, lines: ['c', 'd'] }));
    const again = await append(log, frame({ seq: 2, lines: ['c', 'd'] }));
    expect(first).toMatchObject({ ...appended(2), repeated: false });
    expect(again).toMatchObject({ ...appended(2), repeated: true });
    await append(log, frame({ seq: 1, lines: ['a', 'b'] }));
    expect(await log.bounds('telemetry', P0)).toMatchObject({ end: 4 });
    expect(await append(log, frame({ seq: 3, lines: ['e'] }))).toMatchObject(appended(4));
  });

  it('refuses a gap in the sequence, and a new producer that does not start at 1', async () => {
    const log = current();
    expect(await append(log, frame({ seq: 2, lines: ['a'] }))).toEqual(refused('SEQUENCE_GAP'));
    await append(log, frame({ seq: 1, lines: ['a'] }));
    expect(await append(log, frame({ seq: 3, lines: ['c'] }))).toEqual(refused('SEQUENCE_GAP'));
    expect(await log.bounds('telemetry', P0)).toMatchObject({ end: 1 });
  });

  it('keeps producers apart', async () => {
    const log = current();
    expect(await append(log, frame({ seq: 1, lines: ['a'], producerId: 'one' }))).toMatchObject(appended(0));
    expect(await append(log, frame({ seq: 1, lines: ['b'], producerId: 'two' }))).toMatchObject(appended(1));
    expect(await append(log, frame({ seq: 2, lines: ['c'], producerId: 'one' }))).toMatchObject(appended(2));
  });

  it('refuses a fenced producer, in the fenced partitions, and no other', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a'], producerId: 'old' }));
    await log.fenceProducer('old', [P0, P1]);
    const late = await log.append([
      frame({ seq: 2, lines: ['late'], producerId: 'old' }),
      frame({ seq: 1, lines: ['late'], producerId: 'old', partition: P1 }),
      frame({ seq: 1, lines: ['late'], producerId: 'old', lane: 'control' }),
      frame({ seq: 1, lines: ['b'], producerId: 'new' }),
    ]);
    const fenced = refused('PRODUCER_FENCED');
    expect(late).toMatchObject([fenced, fenced, fenced, appended(1)]);
  });

  it('lets a kept producer go on, makes no unknown one known, and lifts no fence', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a'], producerId: 'kept' }));
    await append(log, frame({ seq: 1, lines: ['b'], producerId: 'fenced' }));
    await log.fenceProducer('fenced', [P0]);
    for (const producerId of ['kept', 'fenced', 'unknown']) await log.keepProducer(producerId, [P0, P1]);
    await log.keepProducer('kept', []);
    const results = await log.append([
      frame({ seq: 2, lines: ['c'], producerId: 'kept' }),
      frame({ seq: 1, lines: ['d'], producerId: 'kept', partition: P1 }),
      frame({ seq: 2, lines: ['e'], producerId: 'fenced' }),
      frame({ seq: 2, lines: ['f'], producerId: 'unknown' }),
    ]);
    expect(results).toMatchObject([appended(2), appended(0), refused('PRODUCER_FENCED'), refused('SEQUENCE_GAP')]);
  });

  it('refuses a frame that is too large and goes on with the same sequence number', async () => {
    const log = current();
    const large = 'x'.repeat(OPTIONS.frameBytesMax + 1);
    expect(await append(log, frame({ seq: 1, lines: [large] }))).toEqual(refused('FRAME_TOO_LARGE'));
    expect(await append(log, frame({ seq: 1, lines: ['small'] }))).toMatchObject(appended(0));
  });

  it('has one log id', async () => {
    const log = current();
    const id: LogId = await log.logId();
    expect(id).toMatch(/^.{8,}$/);
    await append(log, frame({ seq: 1, lines: ['a'] }));
    expect(await log.logId()).toBe(id);
  });
}

function reading(current: () => EventLog): void {
  it('reads frames in order, with bytes and append time as they were', async () => {
    const log = current();
    const lines = [['ä', '{"k":"v"}'], ['b'], ['c', 'd', 'e']];
    const times: number[] = [];
    for (const [index, some] of lines.entries()) {
      const result = await append(log, frame({ seq: index + 1, lines: some }));
      times.push(result.kind === 'appended' ? result.appendedAtMs : -1);
    }
    const frames = await readLane(log, 'telemetry', 0);
    expect(frames.map(textOf)).toEqual(lines.map((some) => some.join('\n')));
    expect(frames.map((each) => [each.firstOffset, each.lastOffset])).toEqual([
      [0, 1],
      [2, 2],
      [3, 5],
    ]);
    expect(frames.map((each) => each.appendedAtMs)).toEqual(times);
  });

  it('reads from inside a frame: the frame that holds the offset comes whole', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a', 'b', 'c'] }));
    await append(log, frame({ seq: 2, lines: ['d'] }));
    for (const from of [0, 1, 2]) {
      const frames = await readLane(log, 'telemetry', from);
      expect(frames.map((each) => each.firstOffset)).toEqual([0, 3]);
    }
    expect((await readLane(log, 'telemetry', 3)).map(textOf)).toEqual(['d']);
  });

  it('answers only partitions and lanes that have something, each from its own offset', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a'] }));
    await append(log, frame({ seq: 1, lines: ['b'], lane: 'control', partition: P1 }));
    const batches = await log.read(
      [
        { lane: 'control', partition: P0, from: 0 as Offset },
        { lane: 'control', partition: P1, from: 0 as Offset },
        { lane: 'telemetry', partition: P0, from: 1 as Offset },
        { lane: 'telemetry', partition: P1, from: 0 as Offset },
      ],
      READ,
    );
    expect(batches.map((batch) => [batch.lane, batch.partition, batch.frames.map(textOf)])).toEqual([
      ['control', P1, ['b']],
    ]);
  });

  it('reads no more frames of a partition than asked', async () => {
    const log = current();
    for (let seq = 1; seq <= 5; seq++) await append(log, frame({ seq, lines: [`${seq}`] }));
    const read = await log.read([{ lane: 'telemetry', partition: P0, from: 1 as Offset }], {
      ...READ,
      framesMaxPerPartition: 2,
    });
    expect(read[0]?.frames.map(textOf)).toEqual(['2', '3']);
  });

  it('answers nothing at the end at once, and wakes up for an append while it waits', async () => {
    const log = current();
    expect(await readLane(log, 'telemetry', 0)).toEqual([]);
    const waiting = log.read(
      [
        { lane: 'control', partition: P1, from: 0 as Offset },
        { lane: 'telemetry', partition: P0, from: 0 as Offset },
      ],
      { ...READ, waitMs: WAIT_MS },
    );
    await append(log, frame({ seq: 1, lines: ['awaited'] }));
    const batches = await waiting;
    expect(batches.flatMap((batch) => batch.frames.map(textOf))).toEqual(['awaited']);
  });

  it('answers callers that come together, each with what it asked for', async () => {
    const log = current();
    await log.append([frame({ seq: 1, lines: ['of 0'] }), frame({ partition: P1, seq: 1, lines: ['of 1'] })]);
    const asked = [P0, P1, P0, P1].map((partition) =>
      log.read([{ lane: 'telemetry', partition, from: 0 as Offset }], READ),
    );
    const texts = (await Promise.all(asked)).map((batches) => batches.flatMap((batch) => batch.frames.map(textOf)));
    expect(texts).toEqual([['of 0'], ['of 1'], ['of 0'], ['of 1']]);
  });

  it('rejects a position above the end', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a'] }));
    await expect(readLane(log, 'telemetry', 2)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });
    await expect(readLane(log, 'control', 1)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });
  });
}

function trimming(current: () => EventLog): void {
  it('trims whole frames only', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a', 'b'] }));
    await append(log, frame({ seq: 2, lines: ['c', 'd', 'e'] }));
    await log.trim('telemetry', P0, 4 as Offset);
    expect(await log.bounds('telemetry', P0)).toMatchObject({ first: 2, end: 5 });
    expect((await readLane(log, 'telemetry', 4)).map(textOf)).toEqual(['c\nd\ne']);
    await log.trim('telemetry', P0, 2 as Offset);
    expect(await log.bounds('telemetry', P0)).toMatchObject({ first: 2, end: 5 });
  });

  it('rejects a position that was trimmed away', async () => {
    const log = current();
    for (let seq = 1; seq <= 3; seq++) await append(log, frame({ seq, lines: ['a', 'b'] }));
    await log.trim('telemetry', P0, 4 as Offset);
    await expect(readLane(log, 'telemetry', 3)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });
    expect((await readLane(log, 'telemetry', 4)).length).toBe(1);
  });

  it('goes on counting after everything was trimmed', async () => {
    const log = current();
    await append(log, frame({ seq: 1, lines: ['a', 'b'] }));
    await log.trim('telemetry', P0, 2 as Offset);
    expect(await log.bounds('telemetry', P0)).toEqual({ first: 2, end: 2, bytes: 0 });
    expect(await readLane(log, 'telemetry', 2)).toEqual([]);
    await expect(readLane(log, 'telemetry', 1)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });
    expect(await append(log, frame({ seq: 2, lines: ['c'] }))).toMatchObject(appended(2));
  });
}

function budgets(current: () => EventLog): void {
  it('refuses appends to a full lane, and only to that lane, until it is trimmed', async () => {
    const log = current();
    const line = 'x'.repeat(4_000);
    const framesMax = (2 * OPTIONS.laneBytesMax) / line.length;
    let seq = 1;
    let result = await append(log, frame({ seq, lines: [line] }));
    while (result.kind === 'appended' && seq < framesMax)
      result = await append(log, frame({ seq: ++seq, lines: [line] }));
    expect(result).toEqual(refused('LANE_FULL'));
    expect((await log.bounds('telemetry', P0)).bytes).toBeGreaterThan(OPTIONS.laneBytesMax / 2);
    expect(await append(log, frame({ seq: 1, lines: [line], lane: 'control' }))).toMatchObject(appended(0));
    await log.trim('telemetry', P0, (seq - 1) as Offset);
    expect(await append(log, frame({ seq, lines: [line] }))).toMatchObject(appended(seq - 1));
  });
}

function reserve(current: () => EventLog): void {
  const line = 'x'.repeat(4_000);
  const framesMax = (2 * (OPTIONS.laneBytesMax + OPTIONS.telemetryReserveBytes)) / line.length;

  /** Appends until the lane takes no more of it; answers how many frames it took. */
  async function fill(log: EventLog, lane: Lane, source: RecordSource): Promise<number> {
    for (let seq = 1; seq < framesMax; seq++) {
      const result = await append(log, { ...frame({ seq, lines: [line], lane, producerId: source }), source });
      if (result.kind === 'appended') continue;
      expect(result).toEqual(refused('LANE_FULL'));
      return seq - 1;
    }
    throw new Error('the lane has no bound');
  }

  it('takes records of its own above the budget of the telemetry lane, of each source up to its share', async () => {
    const log = current();
    const inboundFrames = await fill(log, 'telemetry', 'inbound');
    const { bytes: budget } = await log.bounds('telemetry', P0);
    const deadLetterFrames = await fill(log, 'telemetry', 'deadLetter');
    const { bytes: withDeadLetters } = await log.bounds('telemetry', P0);
    const historyFrames = await fill(log, 'telemetry', 'commandHistory');
    const { bytes: all } = await log.bounds('telemetry', P0);
    expect(budget).toBeLessThanOrEqual(OPTIONS.laneBytesMax);
    expect(withDeadLetters).toBeLessThanOrEqual(OPTIONS.laneBytesMax + OPTIONS.telemetryReserveBytes / 2);
    expect(all).toBeLessThanOrEqual(OPTIONS.laneBytesMax + OPTIONS.telemetryReserveBytes);
    for (const frames of [inboundFrames, deadLetterFrames, historyFrames]) expect(frames).toBeGreaterThan(1);
    expect((await readLane(log, 'telemetry', inboundFrames)).length).toBe(deadLetterFrames + historyFrames);
  });

  it('has no reserve in the control lane', async () => {
    const log = current();
    await fill(log, 'control', 'inbound');
    expect(await fill(log, 'control', 'commandHistory')).toBe(0);
  });
}

interface FrameOptions {
  readonly seq: number;
  readonly lines: readonly string[];
  readonly lane?: Lane;
  readonly partition?: Partition;
  readonly producerId?: string;
}

function frame(options: FrameOptions): AppendRequest {
  return {
    lane: options.lane ?? 'telemetry',
    partition: options.partition ?? P0,
    producerId: options.producerId ?? 'producer',
    seq: options.seq,
    body: options.lines.join('\n'),
    recordCount: options.lines.length,
  };
}

async function append(log: EventLog, request: AppendRequest): Promise<AppendResult> {
  const [result] = await log.append([request]);
  if (result === undefined) throw new Error('append answered nothing');
  return result;
}

async function readLane(log: EventLog, lane: Lane, from: number): Promise<readonly LogFrame[]> {
  const batches = await log.read([{ lane, partition: P0, from: from as Offset }], READ);
  return batches[0]?.frames ?? [];
}

function textOf(each: LogFrame): string {
  return each.body.toString('utf8');
}

function appended(firstOffset: number): { kind: 'appended'; firstOffset: Offset } {
  return { kind: 'appended', firstOffset: firstOffset as Offset };
}

function refused(code: string): AppendResult {
  return { kind: 'refused', code } as AppendResult;
}
