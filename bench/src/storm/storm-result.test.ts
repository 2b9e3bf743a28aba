import { describe, expect, it } from '@jest/globals';

import { KEPT } from './checks/testing/kept-promises.ts';
import { figuresOf } from './musts.ts';
import type { Blackout } from './parts/measure-blackout.ts';
import type { Memory } from './parts/measure-fleet.ts';
import type { Overload } from './parts/measure-overload.ts';
import type { Reconnect } from './parts/measure-reconnect.ts';
import type { Spike } from './parts/measure-spike.ts';
import { costsOf } from './parts/process-costs.ts';
import { readStormOptions } from './storm-options.ts';
import { stormResult } from './storm-result.ts';

const RUN = {
  facts: { hardware: '2 cores', system: 'Linux', versions: { node: '24.0.0' } },
  options: readStormOptions([]),
  date: '2026-11-22T00:00:00.000Z',
};
const USAGE = [
  { name: 'gateway', cpuSeconds: 30, peakBytes: 1024 ** 2 },
  { name: 'redis', cpuSeconds: 6, peakBytes: 1024 ** 2 },
  { name: 'load generator', cpuSeconds: 12, peakBytes: 1024 ** 2 },
];
const SPIKE: Spike = {
  order: { devices: 500, quietPerSecond: 200, quietSeconds: 5, spikePerSecond: 20_000, spikeSeconds: 600 },
  acknowledged: 12_002_000,
  lost: 0,
  duplicated: 0,
  wrongTwins: 0,
  pubackP50Ms: 10,
  pubackP99Ms: 150,
  twinP50Ms: 10,
  twinP99Ms: 59,
  rowP50Ms: 400,
  rowP99Ms: 2_001,
  drainSeconds: 0.4,
  ...costsOf(USAGE, 2_000_000),
  after: KEPT,
};

const MEMORY: Memory = {
  twins: 100_000,
  warmTwinBytes: 5_121,
  warmTwinResidentBytes: 6_000,
  coldTwinBytes: 1_000,
  redisBytesPerDevice: 2_000,
};

describe('the result of a storm', () => {
  it('has the named fields of the issue', () => {
    const result = JSON.parse(JSON.stringify(stormResult(RUN, { spike: SPIKE }))) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(['sustainedPerSecond', 'cpuSecondsPerMillion', 'spike', 'overload', 'memory', 'hardware']),
    );
    expect(result['spike']).toMatchObject({
      acknowledged: 12_002_000,
      lost: 0,
      duplicated: 0,
      wrongTwins: 0,
      pubackP99Ms: 150,
      twinP99Ms: 59,
      rowP99Ms: 2_001,
      drainSeconds: 0.4,
    });
    expect(result['sustainedPerSecond']).toBeNull();
    expect(result['broken']).toEqual([]);
  });

  it('does not call slowness a broken promise, but marks it', () => {
    const result = stormResult(RUN, { spike: SPIKE });
    expect(result.broken).toEqual([]);
    const verdicts = new Map(figuresOf(result).map(({ name, verdict }) => [name, verdict]));
    expect(verdicts.get('spike: PUBACK p99')).toBe('must');
    expect(verdicts.get('spike: device → twin p99')).toBe('aim');
    expect(verdicts.get('spike: device → row p99')).toBe('missed');
    expect(verdicts.get('spike held 600 s: lost')).toBe('aim');
  });

  it('names the part whose promise was broken', () => {
    const after = { ...KEPT, rows: { ...KEPT.rows, lost: 7 } };
    expect(stormResult(RUN, { spike: { ...SPIKE, after } }).broken).toEqual([
      'spike: 7 acknowledged events are not stored',
    ]);
  });
});

describe('a storm that could not be held', () => {
  const costs = costsOf(USAGE, 1_000_000);
  const reconnect: Reconnect = {
    order: { devices: 10_000, withinSeconds: 10, eventsPerSecond: 5_000, leadSeconds: 5 },
    back: 9_999,
    allBackSeconds: 11,
    connectsFailed: 4,
    falselyDisconnected: 1,
    watched: 50,
    shownTooOften: 2,
    ...costs,
    after: { ...KEPT, twins: { ...KEPT.twins, falselyDisconnected: 1 } },
  };
  const blackout: Blackout = {
    order: { devices: 500, eventsPerSecond: 20_000, seconds: 300, leadSeconds: 5 },
    patchMs: { p50: 10, p99: 1_200 },
    patches: 100,
    patchesFailed: 1,
    commandMs: null,
    commands: 0,
    commandsFailed: 0,
    backlogEvents: 6_000_000,
    recoverySeconds: 90,
    after: KEPT,
  };
  const overload: Overload = {
    order: { devices: 500, offeredPerSecond: 100_000, seconds: 60 },
    acknowledgedPerSecond: 100_000,
    heldBack: 0,
    neverSent: 0,
    intakeSlowed: false,
    acknowledged: 6_000_000,
    lost: 0,
    duplicated: 0,
    wrongTwins: 0,
    connectionsLost: 0,
    shed: 0,
    drainSeconds: 1,
    ...costs,
    after: KEPT,
  };

  it('says what was not kept, part by part', () => {
    expect(stormResult(RUN, { reconnect, blackout, overload }).broken).toEqual([
      'reconnect: 1 connected devices are shown as disconnected',
      'overload: the intake was not slowed, so the load was not over what this machine takes',
      'reconnect: 1 devices did not come back',
      'reconnect: 2 devices were shown as disconnected more often than they were',
      'blackout: 1 PATCHes and 0 commands failed',
    ]);
  });

  it('marks the figures of every part', () => {
    const missed = figuresOf(stormResult(RUN, { reconnect, blackout, overload, memory: MEMORY })).filter(
      ({ verdict }) => verdict === 'missed',
    );
    expect(missed.map(({ name }) => name)).toEqual([
      'ClickHouse away for 300 s: PATCH p99',
      'memory of a warm twin, of 100000',
      '10000 reconnect in 10 s: not back',
      'reconnect: falsely shown as disconnected',
    ]);
  });
});

describe('costsOf', () => {
  it('sums the platform without the load generator', () => {
    expect(costsOf(USAGE, 2_000_000)).toMatchObject({ cpuSecondsPerMillion: 18, generatorCpuSecondsPerMillion: 6 });
  });
});

describe('readStormOptions', () => {
  it('runs every part by default, for as long as the issue asks', () => {
    expect(readStormOptions([])).toMatchObject({ spikeSeconds: 600, overloadRate: 100_000, devices: [500, 5_000] });
  });

  it('runs parts in their own order, and refuses others', () => {
    expect(readStormOptions(['--only', 'overload,spike']).parts).toEqual(['spike', 'overload']);
    expect(() => readStormOptions(['--only', 'drizzle'])).toThrow('drizzle');
  });
});
