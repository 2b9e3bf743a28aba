import { describe, expect, it } from '@jest/globals';
import { MemoryEventLog, MemoryRefusalCounts, MemoryTwinStore } from '@breakwater/adapter-memory';
import { createLogger, Metrics } from '@breakwater/observability';
import type { LogId, Partition } from '@breakwater/twin';
import type { Clock, Lane } from '@breakwater/twin-runtime';

import { MemoryTelemetry } from '../../test/memory-telemetry.ts';
import type { ApiOptions } from '../api-ports.ts';
import { AppendRates } from './append-rates.ts';
import { LedgerChecker } from './ledger-checker.ts';
import { LedgerService } from './ledger-service.ts';

const BYTES_MAX = { control: 1_000, telemetry: 10_000 };

/** A ledger over a log in memory, at a time that stands still between the steps of the test. */
function ledgerAt(start: { nowMs: number }) {
  const clock: Clock = { nowMs: () => start.nowMs, sleep: () => Promise.resolve() };
  const log = new MemoryEventLog({ clock, logId: 'test-log' as LogId });
  const options = { partitionCount: 2, laneBytesMax: BYTES_MAX } as ApiOptions;
  const rates = new AppendRates(clock, log, options);
  const logger = createLogger('api', 'silent');
  const twins = new MemoryTwinStore();
  const telemetry = new MemoryTelemetry();
  const checker = new LedgerChecker(clock, log, twins, telemetry, options, new Metrics('api'), logger);
  const service = new LedgerService(log, twins, telemetry, new MemoryRefusalCounts(), options, logger, rates, checker);
  let seq = 0;
  const append = async (lane: Lane, partition: number, bytes: number): Promise<void> => {
    seq += 1;
    const frame = { producerId: `p${seq}`, seq: 1, body: 'x'.repeat(bytes), recordCount: 1 };
    await log.append([{ lane, partition: partition as Partition, ...frame }]);
  };
  return { service, rates, append };
}

describe('how long the log holds', () => {
  it('is the room that is left at the rate of late, by the partition that is full first', async () => {
    const time = { nowMs: 1_000_000 };
    const { service, rates, append } = ledgerAt(time);
    await append('telemetry', 0, 100);
    await append('telemetry', 1, 100);
    await rates.sample();
    time.nowMs += 10_000;
    for (let at = 0; at < 10; at += 1) await append('telemetry', 0, 100);
    for (let at = 0; at < 20; at += 1) await append('telemetry', 1, 100);
    const { lanes, partitions } = await service.read();
    // 1,100 of 10,000 bytes are used, at 100 bytes a second; and 2,100 at 200.
    expect(partitions.filter(({ lane }) => lane === 'telemetry')).toMatchObject([
      { partition: 0, bytes: 1_100, bytesMax: 10_000, secondsLeft: 89 },
      { partition: 1, bytes: 2_100, bytesMax: 10_000, secondsLeft: 39 },
    ]);
    expect(lanes.telemetry).toMatchObject({ bytes: 3_200, bytesMax: 20_000, secondsLeft: 39 });
    expect(lanes.control).toMatchObject({ bytes: 0, bytesMax: 2_000, secondsLeft: null });
  });

  it('is not known while nothing is appended', async () => {
    const time = { nowMs: 1_000_000 };
    const { service, rates, append } = ledgerAt(time);
    await append('telemetry', 0, 100);
    expect((await service.read()).lanes.telemetry.secondsLeft).toBeNull();
    await rates.sample();
    time.nowMs += 10_000;
    expect((await service.read()).lanes.telemetry.secondsLeft).toBeNull();
  });

  it('looks back over the last two samples only', async () => {
    const time = { nowMs: 1_000_000 };
    const { service, rates, append } = ledgerAt(time);
    await rates.sample();
    await append('control', 0, 500);
    for (let at = 0; at < 2; at += 1) {
      time.nowMs += 10_000;
      await rates.sample();
    }
    expect((await service.read()).lanes.control.secondsLeft).toBeNull();
    time.nowMs += 5_000;
    await append('control', 0, 500);
    expect((await service.read()).lanes.control).toMatchObject({ bytes: 1_000, secondsLeft: 0 });
  });
});
