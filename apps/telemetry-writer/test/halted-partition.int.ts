import {
  type ClickHouse,
  ClickHouseWriterLedger,
  type IngestPlan,
  type PlanPartition,
  PlanStore,
  type PlanTenant,
  scopeOf,
  SKIPPED_RANGE,
  WHOLE_LANE,
  type WriterRange,
} from '@breakwater/adapter-clickhouse';
import type { Offset, Partition } from '@breakwater/twin';
import { type EventLog, PlatformError } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import type { TelemetryWriter } from '../src/telemetry-writer.ts';
import { expectedRows, storedRows, until, untilAllStored, untilStored } from './writer-bench.ts';
import { TIMEOUT_MS, writerSuite } from './writer-suite.ts';

const NOW_MS = Date.now();
const P1 = 1 as Partition;
const P1_GOES_ON_AT = 15;

describe('the telemetry writer, when one partition cannot be read', () => {
  const suite = writerSuite();

  async function untilHalted(writer: TelemetryWriter, code: string): Promise<void> {
    await until(
      () => `partition 1 is named with ${code}; ${JSON.stringify(writer.health())}`,
      () => writer.health().degraded.some(({ part, detail }) => part === 'partition 1' && detail.startsWith(code)),
    );
    expect(writer.haltedCount).toBe(1);
  }

  async function untilOthersStored(writer: TelemetryWriter): Promise<void> {
    for (const partition of [0, 2, 3]) {
      await until(
        () => `partition ${partition} is stored; ${JSON.stringify(writer.health())}`,
        async () => writer.positions().positions.get(partition as Partition) === (await suite.log.end(partition)),
      );
    }
  }

  it(
    'stores what lies before a batch that is not ours, stops there, and goes on with the others',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      const { writer, ended } = suite.start(suite.clickhouse, { log: unreadableFrom(suite.log.log, 7) });
      await untilHalted(writer, 'LOG_BATCH_UNREADABLE');
      await suite.log.appendMany(8, () => NOW_MS);
      await untilOthersStored(writer);
      await until(
        () => 'what lies before the batch is stored',
        () => writer.positions().positions.get(P1) === 7,
      );
      await writer.stop();
      expect(await ended).toBeNull();
      expect(writer.health().serving).toBe(true);
      // Mended, it goes on at the same place.
      const second = suite.start(suite.clickhouse);
      await untilStored(second.writer, suite.log);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'stops where the log has forgotten what is not stored, until somebody accepts the gap',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      const first = suite.start(suite.clickhouse);
      await untilStored(first.writer, suite.log);
      await first.writer.stop();
      await suite.log.appendMany(40, () => NOW_MS);
      await suite.log.log.trim('telemetry', P1, 15 as Offset);
      const second = suite.start(suite.clickhouse);
      await untilHalted(second.writer, 'POSITION_OUT_OF_RANGE');
      await untilOthersStored(second.writer);

      await acceptGap(suite.clickhouse);
      await untilStored(second.writer, suite.log);
      expect(second.writer.health().degraded).toEqual([]);
      expect(await storedRows(suite.clickhouse, 'partition = 1 AND log_offset >= 10 AND log_offset < 15')).toEqual([]);
      expect(await storedRows(suite.clickhouse, 'partition = 1 AND log_offset >= 15')).not.toEqual([]);
      await second.writer.stop();
      expect(await second.ended).toBeNull();
      const ledger = await new ClickHouseWriterLedger(suite.clickhouse).readWriterLedger();
      expect(ledger[P1]).toMatchObject({ position: 20, counts: { nothingToStore: 5 }, began: 0 });
      // The audit of the next start meets what was skipped.
      const third = suite.start(suite.clickhouse);
      await suite.log.appendMany(4, () => NOW_MS);
      await untilStored(third.writer, suite.log);
      expect(third.writer.health().degraded).toEqual([]);
      await suite.expectTenantsCounted();
    },
    TIMEOUT_MS,
  );

  it(
    'goes on behind an accepted gap of its range, while records come and another writer has the other range',
    async () => {
      const ranges: readonly WriterRange[] = [0, 1].map((index) => ({ index, of: 2 }));
      const startAll = () => ranges.map((range) => suite.start(suite.clickhouse, { range }).writer);
      await suite.log.appendMany(40, () => NOW_MS);
      const before = startAll();
      await untilAllStored(() => before, suite.log);
      await Promise.all(before.map((writer) => writer.stop()));
      await suite.log.appendMany(40, () => NOW_MS);
      await suite.log.log.trim('telemetry', P1, P1_GOES_ON_AT as Offset);

      const [halted, other] = startAll() as [TelemetryWriter, TelemetryWriter];
      const load = suite.load(NOW_MS);
      await untilHalted(halted, 'POSITION_OUT_OF_RANGE');
      await acceptGap(suite.clickhouse, ranges[0]);
      await until(
        () => `partition 1 goes on; ${JSON.stringify(halted.health())}`,
        () => halted.haltedCount === 0,
      );
      await load.stop();
      await untilAllStored(() => [halted, other], suite.log);
      expect([...halted.health().degraded, ...other.health().degraded]).toEqual([]);
      // Offsets 10 to 14 of partition 1.
      const kept = expectedRows(suite.log).filter((line) => !/^1 1[0-4] /.test(line));
      expect(await storedRows(suite.clickhouse)).toEqual(kept);
      await suite.expectTenantsCounted();
    },
    TIMEOUT_MS,
  );
});

/** What `breakwater rows skip --accept-loss` writes: a chain of its own, which ends where partition 1 goes on. */
async function acceptGap(clickhouse: ClickHouse, range: WriterRange = WHOLE_LANE): Promise<void> {
  const last = await new PlanStore(clickhouse, range).lastPlan();
  const part = last?.plan.partitions.find(({ partition }) => partition === P1);
  if (last === null || part === undefined) throw new Error('the writer has stored nothing of partition 1');
  const plans = new PlanStore(clickhouse, SKIPPED_RANGE);
  const { to, nothingToStore } = part;
  const skipped = {
    ...part,
    from: P1_GOES_ON_AT,
    to: P1_GOES_ON_AT,
    nothingToStore: nothingToStore + P1_GOES_ON_AT - to,
  };
  const totals = { partition: P1, tenant: 'default', ...countsOf(skipped) };
  const mark: IngestPlan = {
    ...{ ...last.plan, scope: scopeOf(SKIPPED_RANGE), number: 1, epoch: await plans.takeEpoch('operator') },
    ...{ owner: 'operator', partitions: [skipped], tenants: [totals], tenantTotals: [totals] },
    ...{ days: [], records: 0, digest: 'retired', keptDeadLetters: {} },
  };
  await plans.open(mark, mark);
}

function countsOf({ stored, nothingToStore, dead }: PlanPartition): Omit<PlanTenant, 'partition' | 'tenant'> {
  return { stored, nothingToStore, dead };
}

/** As the log on Kafka is where somebody else has written into it. */
function unreadableFrom(log: EventLog, offset: number): EventLog {
  const read: EventLog['read'] = async (requests, limits) => {
    const batches = await log.read(requests, limits);
    return batches.flatMap((batch) => {
      if (batch.partition !== P1) return batch;
      const frames = batch.frames.filter(({ lastOffset }) => lastOffset < offset);
      if (frames.length > 0) return { ...batch, frames };
      throw new PlatformError('LOG_BATCH_UNREADABLE', 'lane telemetry, partition 1: it is not ours', {
        details: { lane: 'telemetry', partition: P1, from: offset },
      });
    });
  };
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'read') return read;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
