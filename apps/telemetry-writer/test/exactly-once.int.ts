import { describe, expect, it } from '@jest/globals';

import { crashing, CRASH_POINTS, withoutPlans, withoutTokens } from './crashing-stores.ts';
import type { ReplyFate } from './cutting-proxy.ts';
import { DAY_MS, expectedRows, query, storedRows, until, untilStored } from './writer-bench.ts';
import { TIMEOUT_MS, writerSuite } from './writer-suite.ts';

const NOW_MS = Date.now();
const KILLS = 3;
const TABLES_WITH_FEWER_MERGES = ['telemetry', 'telemetry_1m', 'telemetry_1h', 'events', 'ingest_plans'];
const FEWER_MERGES_STEP = "SELECT name FROM breakwater.schema_migrations WHERE name = '0004-fewer-merges'";
const TABLES_OF_LINES = ['telemetry', 'telemetry_1m', 'telemetry_1h'];
const LATER_THAN_PLANS =
  'SELECT 1 FROM system.one WHERE toStartOfSecond(now64(3)) > (SELECT max(at) FROM breakwater.ingest_plans)';
/** The writer gives an insert 5 s; without that the server's own keep-alive would end this one after 10 s. */
const STOP_MS_MAX = 8_000;

describe('the telemetry writer stores each record once', () => {
  const suite = writerSuite();

  it(
    'over several days and rounds',
    async () => {
      await suite.log.appendMany(400, (index) => NOW_MS - index * 1_000);
      const { writer } = suite.start(suite.clickhouse);
      await untilStored(writer, suite.log);
      await suite.log.appendMany(100, (index) => NOW_MS - index * DAY_MS * 0.1);
      await untilStored(writer, suite.log);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it.each(CRASH_POINTS.flatMap((point) => [1, 2].map((round) => ({ point, round }))))(
    'when it ends $point of round $round',
    async ({ point, round }) => {
      await suite.log.appendMany(200, (index) => NOW_MS - index * DAY_MS * 0.02);
      const first = suite.start(suite.clickhouse, {
        stores: crashing(point, round),
        limits: { recordsMax: 120, bytesMax: 1e6, daysMax: 9 },
      });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      // Nothing may be trimmed that an open plan is made of.
      for (const [partition, position] of first.writer.positions().positions)
        if (point === 'beforeClose') expect(position).toBeLessThan(await suite.log.end(partition));
      await suite.log.appendMany(50, () => NOW_MS);
      const { writer } = suite.start(suite.clickhouse);
      await untilStored(writer, suite.log);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when an older build left its schema and an open plan behind',
    async () => {
      await suite.log.appendMany(200, (index) => NOW_MS - index * DAY_MS * 0.02);
      const first = suite.start(suite.clickhouse, { stores: crashing('afterFirstInsert', 1) });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      const run = (statement: string) => suite.clickhouse.client.command({ query: statement });
      for (const table of TABLES_WITH_FEWER_MERGES) {
        await run(`ALTER TABLE breakwater.${table} RESET SETTING min_parts_to_merge_at_once`);
      }
      await run("ALTER TABLE breakwater.schema_migrations DELETE WHERE name = '0004-fewer-merges'");
      await until(
        () => 'the step is forgotten',
        async () => (await query(suite.clickhouse, FEWER_MERGES_STEP)).length === 0,
      );
      const { writer } = suite.start(suite.clickhouse);
      await untilStored(writer, suite.log);
      await suite.expectExact();
      expect(await query(suite.clickhouse, FEWER_MERGES_STEP)).toHaveLength(1);
      for (const table of TABLES_WITH_FEWER_MERGES) {
        const [shown] = await query<{ statement: string }>(suite.clickhouse, `SHOW CREATE TABLE breakwater.${table}`);
        expect(shown?.statement).toContain('min_parts_to_merge_at_once = 24');
      }
    },
    TIMEOUT_MS,
  );

  it(
    'when replies to inserts are cut',
    async () => {
      let replies = 0;
      suite.proxy.onInsertReply = () => ((replies += 1) % 2 === 1 ? 'cut' : 'pass');
      const { writer } = suite.start(suite.throughProxy, { limits: { recordsMax: 40, bytesMax: 1e6, daysMax: 9 } });
      await suite.log.appendMany(300, (index) => NOW_MS - index * 500);
      await untilStored(writer, suite.log);
      expect(replies).toBeGreaterThan(5);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when ClickHouse is killed between an insert and its reply',
    async () => {
      const kills = suite.killAtReplies(KILLS);
      const { writer } = suite.start(suite.throughProxy, { limits: { recordsMax: 40, bytesMax: 1e6, daysMax: 9 } });
      await suite.log.appendMany(300, (index) => NOW_MS - index * 500);
      await untilStored(writer, suite.log);
      expect(kills()).toBe(KILLS);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when ClickHouse is away for a while: the log buffers',
    async () => {
      const { writer } = suite.start(suite.clickhouse);
      await suite.log.appendMany(50, () => NOW_MS);
      await untilStored(writer, suite.log);
      await suite.embedded.kill('SIGKILL');
      await suite.log.appendMany(500, (index) => NOW_MS - index * 100);
      await until(
        () => 'the writer says that ClickHouse is away',
        () => writer.health().degraded.length > 0,
      );
      await suite.embedded.startAgain();
      await untilStored(writer, suite.log);
      expect(writer.health()).toEqual({ serving: true, degraded: [] });
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'with late data of more than 100 days in one batch',
    async () => {
      // Most of it is older than raw rows are kept; the rollups must hold it all the same.
      await suite.log.append(0, [
        {
          kind: 'telemetry',
          points: Array.from({ length: 104 }, (_, day) => ({
            tsMs: NOW_MS - day * DAY_MS,
            values: new Map([['t', day]]),
          })),
        },
      ]);
      await suite.log.appendMany(20, (index) => NOW_MS - index * DAY_MS);
      await suite.clickhouse.client.command({ query: 'CREATE DATABASE IF NOT EXISTS breakwater' });
      const { writer } = suite.start(suite.clickhouse, { limits: { recordsMax: 5_000, bytesMax: 1e7, daysMax: 130 } });
      await untilStored(writer, suite.log);
      const [hours] = await query<{ n: string }>(
        suite.clickhouse,
        'SELECT sum(count) AS n FROM breakwater.telemetry_1h',
      );
      expect(Number(hours?.n)).toBe(104 + 20 * 3);
      const [plan] = await query<{ days: string }>(
        suite.clickhouse,
        'SELECT max(length(days)) AS days FROM breakwater.ingest_plans',
      );
      expect(Number(plan?.days)).toBeGreaterThan(100);
    },
    TIMEOUT_MS,
  );

  it(
    'when more blocks came in between than tables remember: rows are looked up',
    async () => {
      await suite.log.appendMany(80, (index) => NOW_MS - index * 1_000);
      const first = suite.start(suite.clickhouse, { stores: crashing('afterFirstInsert', 1) });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      // Tables now forget the token of that insert, and the rollups of its day lose what it gave them.
      for (const table of ['telemetry', 'telemetry_1m', 'telemetry_1h']) {
        await suite.clickhouse.client.command({
          query: `ALTER TABLE breakwater.${table} MODIFY SETTING non_replicated_deduplication_window = 4`,
        });
      }
      await suite.clickhouse.client.command({ query: 'TRUNCATE TABLE breakwater.telemetry_1m' });
      for (let index = 0; index < 12; index += 1) {
        await suite.clickhouse.client.command({
          query: `INSERT INTO breakwater.telemetry (tenant, device_id, key, ts, value, kind, log_id, partition)
          VALUES ('other', 'x${index}', 'k', now64(3), 1, 'num', 'other-log', 9)`,
        });
      }
      const { writer } = suite.start(suite.clickhouse, { windowBlocks: 4 });
      await untilStored(writer, suite.log);
      await suite.clickhouse.client.command({
        query: "ALTER TABLE breakwater.telemetry DELETE WHERE tenant = 'other' SETTINGS mutations_sync = 2",
      });
      expect(await storedRows(suite.clickhouse)).toEqual(expectedRows(suite.log));
      const [minutes] = await query<{ n: string }>(
        suite.clickhouse,
        "SELECT sum(count) AS n FROM breakwater.telemetry_1m WHERE tenant = 'default'",
      );
      expect(Number(minutes?.n)).toBe(80 * 3);
    },
    TIMEOUT_MS,
  );

  it(
    'when its tables were restored from a backup with a plan open: they remember no token',
    async () => {
      await suite.log.appendMany(80, (index) => NOW_MS - index * 1_000);
      const first = suite.start(suite.clickhouse, { stores: crashing('afterFirstInsert', 1) });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      // The engine knows to the second when a table was made.
      await until(
        () => 'another second begins',
        async () => (await query(suite.clickhouse, LATER_THAN_PLANS)).length === 1,
      );
      for (const table of TABLES_OF_LINES) await restoreTable(table);
      await suite.embedded.kill('SIGKILL');
      await suite.embedded.startAgain();
      const { writer } = suite.start(suite.clickhouse);
      await untilStored(writer, suite.log);
      await suite.log.appendMany(40, () => NOW_MS);
      await untilStored(writer, suite.log);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when it has to stop while an insert gets no answer: it ends soon, and the next start settles',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      const neverAnswered = new Promise<ReplyFate>(() => undefined);
      let held = false;
      suite.proxy.onInsertReply = () => {
        held = true;
        return neverAnswered;
      };
      const stuck = suite.start(suite.throughProxy);
      await until(
        () => 'an insert is under way',
        () => held,
      );
      const startedMs = Date.now();
      await stuck.writer.stop();
      expect(Date.now() - startedMs).toBeLessThan(STOP_MS_MAX);
      suite.proxy.onInsertReply = () => 'pass';
      const { writer } = suite.start(suite.clickhouse);
      await untilStored(writer, suite.log);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'while a stopped writer comes back: its inserts are refused',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      let release = (): void => undefined;
      const paused = new Promise<void>((resolve) => (release = resolve));
      let stalled = (): void => undefined;
      const reached = new Promise<void>((resolve) => (stalled = resolve));
      const stale = suite.start(suite.clickhouse, {
        stores: (real) => ({
          ...crashing('afterClose', Number.MAX_SAFE_INTEGER)(real),
          records: {
            canRead: (plan, lines) => real.records.canRead(plan, lines),
            insertDay: async (plan, day, lines) => {
              stalled();
              await paused;
              await real.records.insertDay(plan, day, lines);
            },
          },
        }),
      });
      await reached;
      const { writer } = suite.start(suite.clickhouse);
      await untilStored(writer, suite.log);
      await suite.log.appendMany(40, () => NOW_MS);
      release();
      expect((await stale.ended)?.code).toBe('STALE_EPOCH');
      await untilStored(writer, suite.log);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  describe('and these tests would see', () => {
    it(
      'an insert without its token',
      async () => {
        let replies = 0;
        suite.proxy.onInsertReply = () => ((replies += 1) === 1 ? 'cut' : 'pass');
        await suite.log.appendMany(40, () => NOW_MS);
        const { writer } = suite.start(suite.throughProxy, { stores: withoutTokens });
        await untilStored(writer, suite.log);
        expect((await storedRows(suite.clickhouse)).length).toBeGreaterThan(expectedRows(suite.log).length);
      },
      TIMEOUT_MS,
    );

    it(
      'an insert without a plan before it',
      async () => {
        await suite.log.appendMany(40, () => NOW_MS);
        const crash = crashing('beforeClose', 1);
        const noPlans = withoutPlans(suite.clickhouse);
        const first = suite.start(suite.clickhouse, { stores: (real) => crash(noPlans(real)) });
        expect((await first.ended)?.code).toBe('TEST_CRASH');
        await suite.log.appendMany(40, () => NOW_MS);
        const { writer } = suite.start(suite.clickhouse, { stores: noPlans });
        await untilStored(writer, suite.log);
        expect(await storedRows(suite.clickhouse)).not.toEqual(expectedRows(suite.log));
      },
      TIMEOUT_MS,
    );
  });

  /** What RESTORE makes: a new table with the same parts, and without what the old one knew of tokens. */
  async function restoreTable(table: string): Promise<void> {
    const run = (statement: string) => suite.clickhouse.client.command({ query: statement });
    const parts = await query<{ partition_id: string }>(
      suite.clickhouse,
      `SELECT DISTINCT partition_id FROM system.parts WHERE database = 'breakwater' AND table = '${table}' AND active`,
    );
    await run(`CREATE TABLE breakwater.${table}_restored AS breakwater.${table}`);
    for (const { partition_id: id } of parts) {
      await run(`ALTER TABLE breakwater.${table}_restored ATTACH PARTITION ID '${id}' FROM breakwater.${table}`);
    }
    await run(`EXCHANGE TABLES breakwater.${table} AND breakwater.${table}_restored`);
    await run(`DROP TABLE breakwater.${table}_restored SYNC`);
  }
});
