import { describe, expect, it } from '@jest/globals';

import { PLATFORM_PARTS } from './capacity-measurement.ts';
import { aloneShare, predictCosts, rawDiskBytesPerEvent, rollupRowsPerEvent, utilizationOn } from './capacity-model.ts';
import { measuredCapacity } from './testing/measured-capacity.ts';

const MEASURED = measuredCapacity();
const { base, devices, payload, half } = MEASURED.runs;

describe('predictCosts', () => {
  it('gives back the runs that it was made from', () => {
    for (const run of [base, devices, payload]) {
      const predicted = predictCosts(MEASURED, { ...run, utilization: 1 });
      if (run !== payload) {
        for (const part of PLATFORM_PARTS) expect(predicted.cpu[part]).toBeCloseTo(run.cpu[part], 6);
      }
      expect(predicted.redisBytes).toBeCloseTo(run.redisBytes, 0);
      expect(predicted.logBytesPerEvent).toBeCloseTo(run.logBytesPerEvent, 6);
    }
    const idle = predictCosts(MEASURED, { ...base, utilization: half.eventsPerSecond / base.eventsPerSecond });
    for (const part of PLATFORM_PARTS) expect(idle.cpu[part]).toBeCloseTo(half.cpu[part], 6);
  });

  it('costs more with each byte, each device and each idle core, and never less than nothing', () => {
    const load = { ...base, utilization: 1 };
    const sum = (change: object): number => predictCosts(MEASURED, { ...load, ...change }).cpuSum;
    expect(sum({ payloadBytes: 200 })).toBeGreaterThan(sum({}));
    expect(sum({ devices: 2_000 })).toBeGreaterThan(sum({}));
    expect(sum({ utilization: 0.6 })).toBeGreaterThan(sum({}));
    for (const costs of [predictCosts(MEASURED, { ...load, payloadBytes: 1, valuesPerEvent: 1, devices: 1 })]) {
      for (const part of PLATFORM_PARTS) expect(costs.cpu[part]).toBeGreaterThanOrEqual(0);
      expect(costs.diskBytesPerEvent).toBeGreaterThanOrEqual(0);
    }
  });

  it('counts a device once, however often it sends', () => {
    const at = (count: number, eventsPerSecond: number): number =>
      predictCosts(MEASURED, { ...base, devices: count, eventsPerSecond, utilization: 1 }).redisBytes;
    expect(at(100_000, 1_000)).toBe(at(100_000, 20_000));
    expect(at(100_001, 1_000) - at(100_000, 1_000)).toBeCloseTo(6_000, 3);
  });
});

describe('aloneShare', () => {
  it('is nearly all for devices that send now and then, and little for those that always send', () => {
    expect(aloneShare({ eventsPerSecond: 1_000, devices: 100_000 })).toBeGreaterThan(0.99);
    expect(aloneShare({ eventsPerSecond: 35_000, devices: 500 })).toBeLessThan(0.15);
  });
});

describe('rawDiskBytesPerEvent', () => {
  it('is what few devices and many took, and more with each value', () => {
    const of = (valuesPerEvent: number): number => rawDiskBytesPerEvent(MEASURED.runs, valuesPerEvent);
    const both = base.diskBytesPerRow * base.valuesPerEvent + devices.diskBytesPerRow * devices.valuesPerEvent;
    expect(of(base.valuesPerEvent)).toBeCloseTo(both / 2, 9);
    expect(of(payload.valuesPerEvent)).toBeGreaterThan(of(base.valuesPerEvent));
  });
});

describe('rollupRowsPerEvent', () => {
  it('is two for each value of a device that sends less than once an hour, and few for one that sends often', () => {
    const load = { devices: 1_000, valuesPerEvent: 5 };
    expect(rollupRowsPerEvent({ ...load, eventsPerSecond: 0.1 })).toBe(10);
    expect(rollupRowsPerEvent({ ...load, eventsPerSecond: 10_000 })).toBeCloseTo(5 * (0.1 / 60 + 0.1 / 3_600), 9);
  });
});

describe('utilizationOn', () => {
  it('is 1 for what the machine was measured at, and what a lighter load leaves of it', () => {
    expect(utilizationOn(MEASURED, base)).toBeCloseTo(1, 9);
    expect(utilizationOn(MEASURED, { ...base, eventsPerSecond: 60_000 })).toBe(1);
    expect(utilizationOn(MEASURED, { ...base, eventsPerSecond: 15_000 })).toBeGreaterThan(0.4);
    expect(utilizationOn(MEASURED, { ...base, eventsPerSecond: 15_000 })).toBeLessThan(0.7);
  });
});
