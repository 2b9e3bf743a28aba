import {
  ClickHouseWriterLedger,
  INSERT_SETTINGS,
  type ClickHouse,
  type WriterRange,
} from '@breakwater/adapter-clickhouse';
import type { LogId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import type { TelemetryWriter, WriterStores } from '../src/telemetry-writer.ts';
import { crashing, delegating, withoutScopeInTokens } from './crashing-stores.ts';
import {
  DAY_MS,
  expectedRows,
  query,
  rollupDifferences,
  storedRows,
  until,
  untilAllStored,
  untilStored,
} from './writer-bench.ts';
import { isLongForm, TIMEOUT_MS, writerSuite } from './writer-suite.ts';

const NOW_MS = Date.now();
const DAY = Math.floor(NOW_MS / DAY_MS);
const SMALL = { recordsMax: 40, bytesMax: 1e6, daysMax: 9 };
const FORGETFUL_BLOCKS = 4;
const KILLS = 2;
/** Numbers of ranges before and after. */
const CHANGES = [
  { from: 1, to: 2, isShort: true },
  { from: 4, to: 1, isShort: false },
  { from: 4, to: 2, isShort: false },
];
const ofTwo = (index: number): WriterRange => ({ index, of: 2 });

describe('several telemetry writers, each with a range of the partitions', () => {
  const suite = writerSuite();
  type Options = NonNullable<Parameters<typeof suite.start>[1]>;

  function startAll(of: number, options: Options = {}): readonly TelemetryWriter[] {
    const ranges = Array.from({ length: of }, (_, index) => ({ index, of }));
    return ranges.map((range) => suite.start(suite.clickhouse, { range, ...options }).writer);
  }

  async function expectAllCounted(): Promise<void> {
    const ledger = await new ClickHouseWriterLedger(suite.clickhouse).readWriterLedger();
    expect(ledger.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
    for (const { partition, position, counts, began, openPlans } of ledger) {
      expect({ partition, position, openPlans }).toEqual({
        ...{ partition, openPlans: 0 },
        position: await suite.log.end(partition),
      });
      expect(counts.stored + counts.nothingToStore + counts.dead).toBe(position - began);
    }
    const audit = await new ClickHouseWriterLedger(suite.clickhouse).auditNewest('log-1' as LogId, 1_000);
    expect(audit).toMatchObject({ recordsMissing: 0, repeatedRows: 0 });
  }

  /** What the log may be trimmed to, by partition. */
  async function ledgerPositions(): Promise<ReadonlyMap<number, number>> {
    const entries = await new ClickHouseWriterLedger(suite.clickhouse).readWriterLedger();
    return new Map(entries.map(({ partition, position }) => [partition, position]));
  }

  it(
    'store each record once, beside each other',
    async () => {
      await suite.log.appendMany(120, (index) => NOW_MS - index * DAY_MS * 0.02);
      const writers = startAll(2, { limits: SMALL });
      await untilAllStored(() => writers, suite.log);
      await suite.log.appendMany(60, () => NOW_MS);
      await untilAllStored(() => writers, suite.log);
      await Promise.all(writers.map((writer) => writer.stop()));
      await suite.expectExact();
      await expectAllCounted();
    },
    TIMEOUT_MS,
  );

  it(
    'repeat an insert under its token after ClickHouse was killed before it answered, also the first one of all',
    async () => {
      const kills = suite.killAtReplies(KILLS);
      await suite.log.appendMany(120, (index) => NOW_MS - index * 500);
      const writers = [0, 1].map((index) => {
        return suite.start(suite.throughProxy, { range: ofTwo(index), limits: SMALL }).writer;
      });
      await untilAllStored(() => writers, suite.log);
      expect(kills()).toBe(KILLS);
      await Promise.all(writers.map((writer) => writer.stop()));
      await suite.expectExact();
      await expectAllCounted();
    },
    TIMEOUT_MS,
  );

  it(
    'are refused one by one: who was replaced in one range, while the others go on',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      let release = (): void => undefined;
      const paused = new Promise<void>((resolve) => (release = resolve));
      let stalled = (): void => undefined;
      let refused: unknown = null;
      const reached = new Promise<void>((resolve) => (stalled = resolve));
      const stale = suite.start(suite.clickhouse, {
        range: ofTwo(0),
        stores: (real) => ({
          ...delegating(real),
          records: {
            canRead: (plan, lines) => real.records.canRead(plan, lines),
            insertDay: async (plan, day, lines) => {
              stalled();
              await paused;
              await real.records.insertDay(plan, day, lines).catch((error: unknown) => {
                refused = error;
                throw error;
              });
            },
          },
        }),
      });
      const other = suite.start(suite.clickhouse, { range: ofTwo(1) });
      await reached;
      const next = suite.start(suite.clickhouse, { range: ofTwo(0) });
      await untilAllStored(() => [next.writer, other.writer], suite.log);
      await suite.log.appendMany(40, () => NOW_MS);
      release();
      expect((await stale.ended)?.code).toBe('STALE_EPOCH');
      // In the insert itself, and not by the number of its next plan.
      expect(refused).toMatchObject({ code: 'STALE_EPOCH' });
      await suite.log.appendMany(40, () => NOW_MS);
      await untilAllStored(() => [next.writer, other.writer], suite.log);
      await Promise.all([next.writer.stop(), other.writer.stop()]);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it.each(CHANGES.filter(({ isShort }) => isShort || isLongForm))(
    'go on where another division of $from stopped, as $to, and back',
    async ({ from, to }) => {
      await suite.log.appendMany(40, (index) => NOW_MS - index * DAY_MS * 0.02);
      const before = startAll(from, { limits: SMALL });
      await untilAllStored(() => before, suite.log);
      await Promise.all(before.map((writer) => writer.stop()));
      const trimmedTo = await ledgerPositions();
      await suite.log.appendMany(40, () => NOW_MS);
      // Ends with its rows stored and its plan open; who comes next repeats it under the other division.
      const killed = suite.start(suite.clickhouse, {
        range: { index: 0, of: from },
        stores: crashing('afterFirstInsert', 1),
      });
      expect((await killed.ended)?.code).toBe('TEST_CRASH');
      // The log keeps what the plan is made of.
      expect(await ledgerPositions()).toEqual(trimmedTo);
      await suite.embedded.kill('SIGKILL');
      await suite.embedded.startAgain();
      const after = startAll(to, { limits: SMALL });
      await untilAllStored(() => after, suite.log);
      await suite.log.appendMany(40, () => NOW_MS);
      await untilAllStored(() => after, suite.log);
      await Promise.all(after.map((writer) => writer.stop()));
      // And back: the chain of the first division is taken up again, behind what the second has stored.
      await suite.log.appendMany(40, () => NOW_MS);
      const again = startAll(from, { limits: SMALL });
      await untilAllStored(() => again, suite.log);
      await Promise.all(again.map((writer) => writer.stop()));
      await suite.expectExact();
      await expectAllCounted();
    },
    TIMEOUT_MS,
  );

  it(
    'do not work under two divisions at once: whoever is found by the other is refused',
    async () => {
      const whole = suite.start(suite.clickhouse);
      await suite.log.appendMany(40, () => NOW_MS);
      await untilStored(whole.writer, suite.log);
      const writers = startAll(2);
      // Who has nothing to insert is not refused, and does no harm.
      const under = suite.load(NOW_MS);
      const refused = await whole.ended.finally(() => under.stop());
      expect(refused?.code).toBe('STALE_EPOCH');
      await untilAllStored(() => writers, suite.log);
      await Promise.all(writers.map((writer) => writer.stop()));
      await suite.expectExact();
      await expectAllCounted();
    },
    TIMEOUT_MS,
  );

  describe('when tables have forgotten the tokens of an open plan', () => {
    /** Range 0 ends in mid-plan with its rows stored and its rollups lost, and is forgotten; range 1 goes on. */
    async function loseRange0(): Promise<TelemetryWriter> {
      await suite.log.appendMany(80, (index) => NOW_MS - index * 1_000);
      const killed = suite.start(suite.clickhouse, { range: ofTwo(0), stores: crashing('afterFirstInsert', 1) });
      expect((await killed.ended)?.code).toBe('TEST_CRASH');
      for (const table of ['telemetry', 'telemetry_1m', 'telemetry_1h']) {
        await suite.clickhouse.client.command({
          query: `ALTER TABLE breakwater.${table} MODIFY SETTING non_replicated_deduplication_window = ${FORGETFUL_BLOCKS}`,
        });
      }
      await suite.clickhouse.client.command({ query: 'TRUNCATE TABLE breakwater.telemetry_1m' });
      const { writer } = suite.start(suite.clickhouse, { range: ofTwo(1), limits: SMALL });
      for (let round = 0; round < FORGETFUL_BLOCKS * 2; round += 1) {
        const before = await blocks(suite.clickhouse);
        await suite.log.appendMany(8, () => NOW_MS);
        await until(
          () => 'range 1 has inserted',
          async () => (await blocks(suite.clickhouse)) > before,
        );
      }
      return writer;
    }

    it(
      'one range looks rows up and completes rollups while the other inserts into the same day',
      async () => {
        const other = await loseRange0();
        const under = suite.load(NOW_MS);
        const settling = suite.start(suite.clickhouse, { range: ofTwo(0), windowBlocks: FORGETFUL_BLOCKS });
        await until(
          () => 'the plan is settled',
          () => settling.writer.health().serving,
        ).finally(() => under.stop());
        await untilAllStored(() => [settling.writer, other], suite.log);
        await Promise.all([settling.writer.stop(), other.stop()]);
        await suite.expectExact();
      },
      TIMEOUT_MS,
    );

    it(
      'and this test would see rollups of the day made anew in between',
      async () => {
        const other = await loseRange0();
        let isSettling = false;
        const settling = suite.start(suite.clickhouse, {
          range: ofTwo(0),
          windowBlocks: FORGETFUL_BLOCKS,
          stores: (real) =>
            makingDaysAnew(real, suite.clickhouse, async () => {
              isSettling = true;
              const before = await blocks(suite.clickhouse);
              await suite.log.appendMany(8, () => NOW_MS);
              await until(
                () => 'range 1 has inserted',
                async () => (await blocks(suite.clickhouse)) > before,
              );
            }),
        });
        await untilAllStored(() => [settling.writer, other], suite.log);
        await Promise.all([settling.writer.stop(), other.stop()]);
        expect(isSettling).toBe(true);
        expect(await storedRows(suite.clickhouse)).toEqual(expectedRows(suite.log));
        expect(await rollupDifferences(suite.clickhouse)).not.toEqual([]);
      },
      TIMEOUT_MS,
    );

    it(
      'a stopped writer that comes back completes nothing, and a repeat adds nothing',
      async () => {
        const other = await loseRange0();
        await other.stop();
        const kept: (() => Promise<unknown>)[] = [];
        const stores = (real: WriterStores): WriterStores => ({
          ...delegating(real),
          rows: {
            ...delegating(real).rows,
            completeRollups: async (plan, day) => {
              kept.push(() => real.rows.completeRollups(plan, day));
              await real.rows.completeRollups(plan, day);
              return real.rows.completeRollups(plan, day);
            },
          },
        });
        const options = { range: ofTwo(0), windowBlocks: FORGETFUL_BLOCKS };
        const settling = suite.start(suite.clickhouse, { ...options, stores });
        await until(
          () => 'the plan is settled',
          () => settling.writer.health().serving,
        );
        await settling.writer.stop();
        expect(await rollupDifferences(suite.clickhouse)).toEqual([]);
        const next = startAll(2);
        await untilAllStored(() => next, suite.log);
        await Promise.all(next.map((writer) => writer.stop()));
        // The bucket lacks something again, so that a repeat would have something to insert.
        await suite.clickhouse.client.command({ query: 'TRUNCATE TABLE breakwater.telemetry_1m' });
        await expect(kept[0]?.()).rejects.toMatchObject({ code: 'STALE_EPOCH' });
        expect(await query(suite.clickhouse, 'SELECT * FROM breakwater.telemetry_1m')).toEqual([]);
      },
      TIMEOUT_MS,
    );

    it(
      'a plan that is tried again and again is looked up as soon as the others used the window up',
      async () => {
        await suite.log.appendMany(40, () => NOW_MS);
        let tries = 0;
        const failing = suite.start(suite.clickhouse, {
          range: ofTwo(0),
          windowBlocks: FORGETFUL_BLOCKS,
          stores: (real) => ({
            ...delegating(real),
            records: {
              canRead: (plan, lines) => real.records.canRead(plan, lines),
              insertDay: async (plan, day, lines) => {
                tries += 1;
                await real.records.insertDay(plan, day, lines);
                if (tries === 1) {
                  for (const table of ['telemetry', 'telemetry_1m', 'telemetry_1h']) {
                    await suite.clickhouse.client.command({
                      query: `ALTER TABLE breakwater.${table} MODIFY SETTING non_replicated_deduplication_window = 1`,
                    });
                  }
                  await otherBlocks(suite.clickhouse, 2 * FORGETFUL_BLOCKS);
                  throw new Error('the reply was lost');
                }
              },
            },
          }),
        });
        const other = suite.start(suite.clickhouse, { range: ofTwo(1) });
        await untilAllStored(() => [failing.writer, other.writer], suite.log);
        await Promise.all([failing.writer.stop(), other.writer.stop()]);
        await suite.clickhouse.client.command({
          query: "ALTER TABLE breakwater.telemetry DELETE WHERE tenant = 'other' SETTINGS mutations_sync = 2",
        });
        expect(await storedRows(suite.clickhouse)).toEqual(expectedRows(suite.log));
      },
      TIMEOUT_MS,
    );
  });

  it(
    'and these tests would see tokens that two ranges share',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      const writers = startAll(2, { stores: withoutScopeInTokens });
      await untilAllStored(() => writers, suite.log);
      expect((await storedRows(suite.clickhouse)).length).toBeLessThan(expectedRows(suite.log).length);
    },
    TIMEOUT_MS,
  );
});

async function blocks(clickhouse: ClickHouse): Promise<number> {
  const [row] = await query<{ n: string }>(
    clickhouse,
    "SELECT max(max_block_number) AS n FROM system.parts WHERE database = 'breakwater' AND table = 'telemetry'",
  );
  return Number(row?.n ?? 0);
}

async function otherBlocks(clickhouse: ClickHouse, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await clickhouse.client.command({
      query: `INSERT INTO breakwater.telemetry (tenant, device_id, key, ts, value, kind, log_id, partition)
        VALUES ('other', 'x${index}', 'k', now64(3), 1, 'num', 'other-log', 9)`,
    });
  }
}

/** A planted bug: the rollups of the day are dropped and made anew from raw rows, while others insert into it. */
function makingDaysAnew(real: WriterStores, clickhouse: ClickHouse, between: () => Promise<void>): WriterStores {
  const date = new Date(DAY * DAY_MS).toISOString().slice(0, 10);
  return {
    ...delegating(real),
    rows: {
      ...delegating(real).rows,
      completeRollups: async () => {
        for (const table of ['telemetry_1m', 'telemetry_1h']) {
          await clickhouse.client.command({ query: `ALTER TABLE breakwater.${table} DROP PARTITION '${date}'` });
        }
        await between();
        await clickhouse.client.command({
          query: `INSERT INTO breakwater.telemetry_1m
            SELECT tenant, device_id, key, toStartOfMinute(raw.ts) AS ts, count(), sum(value), min(value), max(value),
              argMaxState(value, bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Milli(raw.ts)), 64),
                toUInt128(raw.log_offset)))
            FROM breakwater.telemetry AS raw WHERE kind IN ('num', 'bool') AND toDate(raw.ts) = '${date}'
            GROUP BY tenant, device_id, key, ts`,
          clickhouse_settings: { ...INSERT_SETTINGS, insert_deduplicate: 0 },
        });
        return 'completed';
      },
    },
  };
}
