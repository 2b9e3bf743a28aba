import { describe, expect, it } from '@jest/globals';

import { KEPT } from './checks/testing/kept-promises.ts';
import { figuresOf } from './musts.ts';
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

describe('the result of a storm', () => {
  it('has the named fields of the issue', () => {
    const result = JSON.parse(JSON.stringify(stormResult(RUN, { spike: SPIKE }))) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(['sustainedPerSecond', 'cpuSecondsPerMillion', 'spike', 'overload', 'hardware']),
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
