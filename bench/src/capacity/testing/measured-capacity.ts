import type { CapacityMeasurement, MeasuredRun } from '../capacity-measurement.ts';

const BASE: MeasuredRun = {
  devices: 500,
  valuesPerEvent: 5,
  payloadBytes: 100,
  offeredPerSecond: 40_000,
  seconds: 15,
  events: 600_000,
  eventsPerSecond: 30_000,
  cpu: { gateway: 15, redis: 4, 'twin-worker': 9, 'telemetry-writer': 3, clickhouse: 13, others: 1 },
  redisBytes: 30_000_000,
  logBytesPerEvent: 300,
  logMemoryPerEvent: 280,
  diskBytesPerEvent: 25,
  diskBytesPerRow: 5,
  bytesPerRollupRow: 40,
};

/** A made-up measurement, with round numbers. */
export function measuredCapacity(): CapacityMeasurement {
  return {
    date: '2026-01-01T00:00:00.000Z',
    hardware: 'a machine',
    system: 'a system',
    versions: {},
    note: 'made up',
    runs: {
      base: BASE,
      devices: {
        ...BASE,
        devices: 5_000,
        eventsPerSecond: 25_000,
        cpu: { ...BASE.cpu, gateway: 26, 'twin-worker': 10, clickhouse: 18 },
        redisBytes: 57_000_000,
      },
      payload: {
        ...BASE,
        valuesPerEvent: 21,
        payloadBytes: 300,
        eventsPerSecond: 15_000,
        cpu: { ...BASE.cpu, gateway: 25, clickhouse: 45 },
        redisBytes: 32_000_000,
        logBytesPerEvent: 500,
        logMemoryPerEvent: 460,
        diskBytesPerRow: 4,
      },
      half: { ...BASE, offeredPerSecond: 15_000, eventsPerSecond: 15_000, cpu: { ...BASE.cpu, redis: 12 } },
    },
  };
}
