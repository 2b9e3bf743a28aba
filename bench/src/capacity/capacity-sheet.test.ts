import { describe, expect, it } from '@jest/globals';

import { type CapacityChoices, capacitySheet, planCapacity } from './capacity-sheet.ts';
import { measuredCapacity } from './testing/measured-capacity.ts';

const MEASURED = measuredCapacity();
const LOAD = { eventsPerSecond: 20_000, devices: 50_000, payloadBytes: 100, valuesPerEvent: 5, utilization: 0.6 };
const CHOICES: CapacityChoices = {
  connectionsPerGateway: 10_000,
  spare: 1,
  outageMinutes: 10,
  retentionDays: 30,
  kafkaRetentionHours: 72,
  replicas: 3,
  brokerMegabytesPerSecond: 30,
  coreHourPrice: 0,
  memoryGibMonthPrice: 0,
  diskGibMonthPrice: 0,
};

describe('planCapacity', () => {
  it('gives every worker four partitions at least, a power of two, and every connection a gateway', () => {
    for (const eventsPerSecond of [10, 20_000, 500_000]) {
      const plan = planCapacity(MEASURED, { ...LOAD, eventsPerSecond }, CHOICES);
      expect(plan.partitions).toBeGreaterThanOrEqual(Math.max(16, 4 * plan.workers));
      expect(Number.isInteger(Math.log2(plan.partitions))).toBe(true);
      expect(plan.gateways).toBeGreaterThanOrEqual(6);
      expect(plan.workers).toBeGreaterThanOrEqual(2);
      expect(plan.brokers).toBeGreaterThanOrEqual(3);
    }
  });

  it('grows with the load, the outage and the retention', () => {
    const plan = planCapacity(MEASURED, LOAD, CHOICES);
    const more = planCapacity(MEASURED, { ...LOAD, eventsPerSecond: 40_000 }, CHOICES);
    expect(more.workers).toBeGreaterThanOrEqual(plan.workers);
    expect(more.clickhouseDiskBytes).toBeGreaterThan(plan.clickhouseDiskBytes);
    const longer = planCapacity(MEASURED, LOAD, { ...CHOICES, outageMinutes: 20, retentionDays: 60 });
    expect(longer.redisLogBytes).toBeCloseTo(2 * plan.redisLogBytes, 0);
    expect(longer.clickhouseDiskBytes).toBeGreaterThan(plan.clickhouseDiskBytes);
  });

  it('prices what is provided: a core for an hour is a core for an hour', () => {
    const priced = planCapacity(MEASURED, LOAD, { ...CHOICES, coreHourPrice: 3_600 });
    expect(priced.pricePerMillion).toBeCloseTo(priced.cpuSecondsPerMillion / LOAD.utilization, 6);
  });
});

describe('capacitySheet', () => {
  it('says of each constant where it was measured', () => {
    const plan = planCapacity(MEASURED, LOAD, CHOICES);
    const sheet = capacitySheet(plan, LOAD, { measured: MEASURED, file: 'docs/measurements/capacity.json' });
    for (const name of ['cpu.redis', 'logBytesPerEvent', 'diskBytesPerRow', 'redisBytes']) {
      expect(sheet).toMatch(new RegExp(`capacity\\.json: .*${name.replace('.', '\\.')}`));
    }
  });
});
