import { MemoryEventLog } from '@breakwater/adapter-memory';
import { describe, expect, it } from '@jest/globals';
import type { LogId, Offset, Partition } from '@breakwater/twin';
import {
  type AppendRequest,
  type AppendResult,
  type Clock,
  type EventLog,
  type Lane,
  systemClock,
} from '@breakwater/twin-runtime';

import { AppendBatcher, type AppendBatcherOptions, type AppendLimits } from './append-batcher.ts';
import type { AppendOutcome } from './lane-queue.ts';

const LIMITS: AppendLimits = {
  flushMs: 0,
  flightsMax: 3,
  frameRecordsMax: 8,
  frameBytesMax: 200,
  gatherRecords: 1_000,
  pressureBytes: 4_000,
  queueRecordsMax: 1_000,
  queueBytesMax: 10_000,
  shedBytes: 5_000,
  withholdMs: 60_000,
  retryMsMin: 1,
  retryMsMax: 2,
};
const P0 = 0 as Partition;

type Fault = 'none' | 'lostBefore' | 'lostAfter' | 'LANE_FULL' | 'hang';

/** A log whose replies get lost, before or after the write, as scripted. */
class FaultyLog {
  readonly memory = new MemoryEventLog({ clock: systemClock, logId: 'log' as LogId });
  readonly requests: AppendRequest[] = [];
  nextFault: () => Fault = () => 'none';
  inTheAir = 0;
  inTheAirMax = 0;
  release: () => void = () => undefined;

  async append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    this.requests.push(...requests);
    const fault = this.nextFault();
    this.inTheAir += 1;
    this.inTheAirMax = Math.max(this.inTheAirMax, this.inTheAir);
    try {
      if (fault === 'hang') await new Promise<void>((resolve) => (this.release = resolve));
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (fault === 'lostBefore') throw new Error('the connection broke');
      if (fault === 'LANE_FULL') return requests.map(() => ({ kind: 'refused', code: 'LANE_FULL' }) as const);
      const results = await this.memory.append(requests);
      if (fault === 'lostAfter') throw new Error('the connection broke');
      return results;
    } finally {
      this.inTheAir -= 1;
    }
  }

  async lines(lane: Lane, partition: Partition): Promise<readonly string[]> {
    const requests = [{ lane, partition, from: 0 as Offset }];
    const [batch] = await this.memory.read(requests, { framesMaxPerPartition: 10_000, waitMs: 0 });
    return (batch?.frames ?? []).flatMap((frame) => frame.body.toString().split('\n'));
  }
}

/** Time that passes only while somebody sleeps, or when the test says so. */
class SteppedClock implements Clock {
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  advance(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  async sleep(durationMs: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.advance(durationMs);
  }
}

function batcherOn(
  log: FaultyLog,
  limits: Partial<AppendLimits> = {},
  clock: Clock = systemClock,
  more: Partial<Pick<AppendBatcherOptions, 'onBehind' | 'mayAppend'>> = {},
): { batcher: AppendBatcher; lost: string[] } {
  const lost: string[] = [];
  const batcher = new AppendBatcher({
    log: log as unknown as EventLog,
    clock,
    partitionCount: 4,
    limits: { ...LIMITS, ...limits },
    onProducerLost: (detail) => lost.push(detail),
    ...more,
  });
  batcher.restart('gw-1');
  return { batcher, lost };
}

function telemetry(partition: Partition): { lane: Lane; partition: Partition } {
  return { lane: 'telemetry', partition };
}

/** A repeatable chance: the seed stands in the name of the test. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('AppendBatcher', () => {
  it('says durable only once the log has answered', async () => {
    const log = new FaultyLog();
    log.nextFault = () => 'hang';
    const { batcher } = batcherOn(log);
    let outcome: AppendOutcome | null = null;
    const appended = batcher.append(telemetry(P0), 'a', 'keep').then((settled) => (outcome = settled));
    while (log.inTheAir === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(outcome).toBeNull();
    expect(await log.lines('telemetry', P0)).toEqual([]);
    log.release();
    expect(await appended).toMatchObject({ kind: 'durable' });
    expect(await log.lines('telemetry', P0)).toEqual(['a']);
  });

  it.each([1, 2, 3, 4, 5, 6])('keeps every record once and in order while replies get lost (seed %i)', async (seed) => {
    const log = new FaultyLog();
    const random = chance(seed);
    log.nextFault = () =>
      (['none', 'lostBefore', 'lostAfter', 'LANE_FULL', 'none'] as const)[Math.floor(random() * 5)] ?? 'none';
    const { batcher, lost } = batcherOn(log);
    const settled: string[][] = [[], [], [], []];
    const appends: Promise<void>[] = [];
    for (let number = 0; number < 400; number += 1) {
      const partition = Math.floor(random() * 4) as Partition;
      const line = `r${number}`;
      const append = batcher.append(telemetry(partition), line, 'keep').then((outcome) => {
        expect(outcome.kind).toBe('durable');
        settled[partition]?.push(line);
      });
      appends.push(append);
      if (random() < 0.1) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(appends);
    for (const [partition, lines] of settled.entries())
      expect(await log.lines('telemetry', partition as Partition)).toEqual(lines);
    expect(settled.flat()).toHaveLength(400);
    expect(lost).toEqual([]);
    expect(log.inTheAirMax).toBeLessThanOrEqual(LIMITS.flightsMax);
    expect([batcher.records, batcher.bytes]).toEqual([0, 0]);
  });

  it('repeats a frame of unknown outcome as it was, whatever came in meanwhile', async () => {
    const log = new FaultyLog();
    const faults: Fault[] = ['lostAfter', 'lostBefore'];
    log.nextFault = () => faults.shift() ?? 'none';
    const { batcher } = batcherOn(log, { retryMsMin: 5, retryMsMax: 5 });
    const first = batcher.append(telemetry(P0), 'a', 'keep');
    while (log.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await Promise.all([first, batcher.append(telemetry(P0), 'b', 'keep')]);
    expect(log.requests.map(({ seq, body }) => [seq, body.toString()])).toEqual([
      [1, 'a'],
      [1, 'a'],
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(await log.lines('telemetry', P0)).toEqual(['a', 'b']);
  });

  it('repeats what a node that is away did not answer, and acknowledges what the others did', async () => {
    const log = new FaultyLog();
    const away = 1 as Partition;
    let isAway = true;
    const appending = log.append.bind(log);
    log.append = async (requests) => {
      const results = await appending(requests);
      if (!isAway) return results;
      const unknown = { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error: new Error('the connection broke') } as const;
      return results.map((result, at) => (requests[at]?.partition === away ? unknown : result));
    };
    const { batcher, lost } = batcherOn(log);
    let waits = true;
    const waiting = batcher.append(telemetry(away), 'a', 'keep').then((outcome) => {
      waits = false;
      return outcome;
    });
    for (const line of ['b', 'c', 'd']) {
      expect(await batcher.append(telemetry(P0), line, 'keep')).toMatchObject({ kind: 'durable' });
    }
    expect(waits).toBe(true);
    isAway = false;
    expect(await waiting).toMatchObject({ kind: 'durable' });
    expect(await log.lines('telemetry', away)).toEqual(['a']);
    expect(await log.lines('telemetry', P0)).toEqual(['b', 'c', 'd']);
    expect(lost).toEqual([]);
  });

  it('gives the producer up when the outcome stays unknown, and acknowledges nothing of it', async () => {
    const log = new FaultyLog();
    log.nextFault = () => 'lostAfter';
    const { batcher, lost } = batcherOn(log, { withholdMs: 5 });
    const outcomes = await Promise.all(['a', 'b'].map((line) => batcher.append(telemetry(P0), line, 'keep')));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['failed', 'failed']);
    expect(lost).toHaveLength(1);
    expect(await batcher.append(telemetry(P0), 'c', 'keep')).toMatchObject({ kind: 'failed' });
    log.nextFault = () => 'none';
    batcher.restart('gw-2');
    expect(await batcher.append(telemetry(P0), 'd', 'keep')).toMatchObject({ kind: 'durable' });
    expect(log.requests.at(-1)).toMatchObject({ producerId: 'gw-2', seq: 1 });
  });

  it('withholds what a full lane does not take, without limit, and keeps its order', async () => {
    const log = new FaultyLog();
    const clock = new SteppedClock();
    const withholdMs = 1_000;
    const { batcher, lost } = batcherOn(log, { withholdMs, frameRecordsMax: 1 }, clock);
    let refusals = 0;
    log.nextFault = () => {
      clock.advance(withholdMs * 10);
      refusals += 1;
      return 'LANE_FULL';
    };
    let settled = 0;
    const appends = ['a', 'b'].map(async (line) => {
      const outcome = await batcher.append(telemetry(P0), line, 'keep');
      settled += 1;
      return outcome;
    });
    while (settled === 0 && refusals < 10) await new Promise((resolve) => setTimeout(resolve, 0));
    expect(settled).toBe(0);
    // Silence counts from the last answer.
    const faults: Fault[] = ['lostBefore', 'LANE_FULL', 'lostAfter'];
    log.nextFault = () => faults.shift() ?? 'none';
    expect((await Promise.all(appends)).map(({ kind }) => kind)).toEqual(['durable', 'durable']);
    expect(log.requests.every(({ producerId }) => producerId === 'gw-1')).toBe(true);
    expect(await log.lines('telemetry', P0)).toEqual(['a', 'b']);
    expect(lost).toEqual([]);
  });

  it('gives the producer up when it was fenced', async () => {
    const log = new FaultyLog();
    const { batcher, lost } = batcherOn(log);
    await batcher.append(telemetry(P0), 'a', 'keep');
    await log.memory.fenceProducer('gw-1', [P0]);
    expect(await batcher.append(telemetry(P0), 'b', 'keep')).toMatchObject({ kind: 'failed' });
    expect(lost).toEqual(['the log refused the producer: PRODUCER_FENCED']);
  });

  it('says that it is behind while much waits for a log that takes it, and not when the log is full', async () => {
    const log = new FaultyLog();
    log.nextFault = () => 'hang';
    const said: boolean[] = [];
    const options = { gatherRecords: 10, frameRecordsMax: 4 };
    const { batcher } = batcherOn(log, options, systemClock, { onBehind: (isBehind) => said.push(isBehind) });
    const fill = (count: number) => Array.from({ length: count }, () => batcher.append(telemetry(P0), 'x', 'keep'));
    const first = fill(11);
    while (log.inTheAir === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(said).toEqual([true]);
    log.nextFault = () => 'none';
    log.release();
    await Promise.all(first);
    expect(said).toEqual([true, false]);
    let isFull = true;
    log.nextFault = () => (isFull ? 'LANE_FULL' : 'none');
    const one = fill(1);
    while (!batcher.isWithheld) await new Promise((resolve) => setTimeout(resolve, 1));
    const second = fill(20);
    const attempts = log.requests.length;
    while (log.requests.length < attempts + 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(said).toEqual([true, false]);
    isFull = false;
    await Promise.all([...one, ...second]);
  });

  it('sheds what may be shed first, and takes nothing above its limits', async () => {
    const log = new FaultyLog();
    log.nextFault = () => 'hang';
    const { batcher } = batcherOn(log, { shedBytes: 100, queueBytesMax: 200 });
    const line = 'x'.repeat(90);
    const kept = [batcher.append(telemetry(P0), line, 'mayBeShed'), batcher.append(telemetry(P0), line, 'keep')];
    expect(await batcher.append(telemetry(P0), line, 'mayBeShed')).toEqual({ kind: 'shed', reason: 'queue' });
    expect(await batcher.append(telemetry(P0), line, 'keep')).toMatchObject({ kind: 'failed' });
    while (log.inTheAir === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    log.nextFault = () => 'none';
    log.release();
    expect((await Promise.all(kept)).map(({ kind }) => kind)).toEqual(['durable', 'durable']);
    await batcher.idle();
  });

  it('keeps what waits while nothing may be appended, and what is under way', async () => {
    const log = new FaultyLog();
    let may = true;
    const { batcher } = batcherOn(log, { frameRecordsMax: 1 }, systemClock, { mayAppend: () => may });
    log.nextFault = () => 'hang';
    const first = batcher.append(telemetry(P0), 'first', 'keep');
    while (log.inTheAir === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const second = batcher.append(telemetry(P0), 'second', 'keep');
    may = false;
    log.nextFault = () => 'none';
    log.release();
    expect(await first).toMatchObject({ kind: 'durable' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await log.lines('telemetry', P0)).toEqual(['first']);
    may = true;
    expect(await second).toMatchObject({ kind: 'durable' });
    expect(await log.lines('telemetry', P0)).toEqual(['first', 'second']);
  });

  it('cuts frames by records and bytes, and never below one record', async () => {
    const log = new FaultyLog();
    const { batcher } = batcherOn(log, { frameRecordsMax: 3, frameBytesMax: 10 });
    await Promise.all(
      ['aaaa', 'bbbb', 'cccc', 'd', 'e', 'f', 'g', 'x'.repeat(50)].map((line) =>
        batcher.append(telemetry(P0), line, 'keep'),
      ),
    );
    expect(
      log.requests.map(({ body }) =>
        body
          .toString()
          .split('\n')
          .map((line) => line.length),
      ),
    ).toEqual([[4, 4], [4, 1, 1], [1, 1], [50]]);
  });
});
