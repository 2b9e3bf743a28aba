import type { ClickHouse } from '@breakwater/adapter-clickhouse';
import type { LogId, Partition } from '@breakwater/twin';
import type { RecordMessage } from '@breakwater/wire';
import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { TelemetryWriter } from '../src/telemetry-writer.ts';
import { crashing, CRASH_POINTS, withoutPlans, withoutTokens } from './crashing-stores.ts';
import { CuttingProxy, type ReplyFate } from './cutting-proxy.ts';
import {
  DAY_MS,
  expectedRows,
  LogUnderTest,
  openClickHouse,
  query,
  rollupDifferences,
  storedRows,
  until,
  untilStored,
  writerOn,
} from './writer-bench.ts';

const TIMEOUT_MS = 120_000;
const NOW_MS = Date.now();
const TABLES_WITH_FEWER_MERGES = ['telemetry', 'telemetry_1m', 'telemetry_1h', 'events', 'ingest_plans'];
const FEWER_MERGES_STEP = "SELECT name FROM breakwater.schema_migrations WHERE name = '0004-fewer-merges'";
/** The writer gives an insert 5 s; without that the server's own keep-alive would end this one after 10 s. */
const STOP_MS_MAX = 8_000;

describe('the telemetry writer stores each record once', () => {
  let embedded: EmbeddedProcess;
  let proxy: CuttingProxy;
  let clickhouse: ClickHouse;
  let throughProxy: ClickHouse;
  let log: LogUnderTest;
  const writers: TelemetryWriter[] = [];

  beforeAll(async () => {
    embedded = await EmbeddedProcess.start();
    proxy = await CuttingProxy.start(() => embedded.port);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await proxy.close();
    await embedded.remove();
  });

  beforeEach(async () => {
    clickhouse = openClickHouse(embedded.url);
    throughProxy = openClickHouse(proxy.url);
    await clickhouse.client.command({ query: 'DROP DATABASE IF EXISTS breakwater' });
    log = new LogUnderTest(4);
  });

  afterEach(async () => {
    proxy.onInsertReply = () => 'pass';
    await Promise.all(writers.splice(0).map((writer) => writer.stop()));
    await clickhouse.client.close();
    await throughProxy.client.close();
  }, TIMEOUT_MS);

  /** Starts a writer that the test's end stops. `ended` tells how its run ended, and never rejects. */
  function start(...args: Parameters<typeof writerOn> extends [unknown, ...infer Rest] ? Rest : never) {
    const writer = writerOn(log, ...args);
    writers.push(writer);
    const ended = writer.run().then(
      () => null,
      (error: unknown) => error as Error & { code?: string },
    );
    return { writer, ended };
  }

  async function expectExact(): Promise<void> {
    expect(await storedRows(clickhouse)).toEqual(expectedRows(log));
    expect(await rollupDifferences(clickhouse)).toEqual([]);
    const unsettled = 'SELECT number FROM breakwater.ingest_plans GROUP BY number HAVING countDistinct(state) != 2';
    expect(await query(clickhouse, unsettled)).toEqual([]);
  }

  it(
    'over several days and rounds',
    async () => {
      await log.appendMany(400, (index) => NOW_MS - index * 1_000);
      const { writer } = start(clickhouse);
      await untilStored(writer, log);
      await log.appendMany(100, (index) => NOW_MS - index * DAY_MS * 0.1);
      await untilStored(writer, log);
      await expectExact();
    },
    TIMEOUT_MS,
  );

  it.each(CRASH_POINTS.flatMap((point) => [1, 2].map((round) => ({ point, round }))))(
    'when it ends $point of round $round',
    async ({ point, round }) => {
      await log.appendMany(200, (index) => NOW_MS - index * DAY_MS * 0.02);
      const first = start(clickhouse, {
        stores: crashing(point, round),
        limits: { recordsMax: 120, bytesMax: 1e6, daysMax: 9 },
      });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      // Nothing may be trimmed that an open plan is made of.
      for (const [partition, position] of first.writer.positions().positions)
        if (point === 'beforeClose') expect(position).toBeLessThan(await log.end(partition));
      await log.appendMany(50, () => NOW_MS);
      const { writer } = start(clickhouse);
      await untilStored(writer, log);
      await expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when an older build left its schema and an open plan behind',
    async () => {
      await log.appendMany(200, (index) => NOW_MS - index * DAY_MS * 0.02);
      const first = start(clickhouse, { stores: crashing('afterFirstInsert', 1) });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      const run = (statement: string) => clickhouse.client.command({ query: statement });
      for (const table of TABLES_WITH_FEWER_MERGES) {
        await run(`ALTER TABLE breakwater.${table} RESET SETTING min_parts_to_merge_at_once`);
      }
      await run("ALTER TABLE breakwater.schema_migrations DELETE WHERE name = '0004-fewer-merges'");
      await until(
        () => 'the step is forgotten',
        async () => (await query(clickhouse, FEWER_MERGES_STEP)).length === 0,
      );
      const { writer } = start(clickhouse);
      await untilStored(writer, log);
      await expectExact();
      expect(await query(clickhouse, FEWER_MERGES_STEP)).toHaveLength(1);
      for (const table of TABLES_WITH_FEWER_MERGES) {
        const [shown] = await query<{ statement: string }>(clickhouse, `SHOW CREATE TABLE breakwater.${table}`);
        expect(shown?.statement).toContain('min_parts_to_merge_at_once = 24');
      }
    },
    TIMEOUT_MS,
  );

  it(
    'when replies to inserts are cut',
    async () => {
      let replies = 0;
      proxy.onInsertReply = () => ((replies += 1) % 2 === 1 ? 'cut' : 'pass');
      const { writer } = start(throughProxy, { limits: { recordsMax: 40, bytesMax: 1e6, daysMax: 9 } });
      await log.appendMany(300, (index) => NOW_MS - index * 500);
      await untilStored(writer, log);
      expect(replies).toBeGreaterThan(5);
      await expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when ClickHouse is killed between an insert and its reply',
    async () => {
      let kills = 0;
      proxy.onInsertReply = async () => {
        if (kills >= 3) return 'pass';
        kills += 1;
        await embedded.kill('SIGKILL');
        await embedded.startAgain();
        return 'cut';
      };
      const { writer } = start(throughProxy, { limits: { recordsMax: 40, bytesMax: 1e6, daysMax: 9 } });
      await log.appendMany(300, (index) => NOW_MS - index * 500);
      await untilStored(writer, log);
      expect(kills).toBe(3);
      await expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when ClickHouse is away for a while: the log buffers',
    async () => {
      const { writer } = start(clickhouse);
      await log.appendMany(50, () => NOW_MS);
      await untilStored(writer, log);
      await embedded.kill('SIGKILL');
      await log.appendMany(500, (index) => NOW_MS - index * 100);
      await until(
        () => 'the writer says that ClickHouse is away',
        () => writer.health().degraded.length > 0,
      );
      await embedded.startAgain();
      await untilStored(writer, log);
      expect(writer.health()).toEqual({ serving: true, degraded: [] });
      await expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'with late data of more than 100 days in one batch',
    async () => {
      // Most of it is older than raw rows are kept; the rollups must hold it all the same.
      await log.append(0, [
        {
          kind: 'telemetry',
          points: Array.from({ length: 104 }, (_, day) => ({
            tsMs: NOW_MS - day * DAY_MS,
            values: new Map([['t', day]]),
          })),
        },
      ]);
      await log.appendMany(20, (index) => NOW_MS - index * DAY_MS);
      await clickhouse.client.command({ query: 'CREATE DATABASE IF NOT EXISTS breakwater' });
      const { writer } = start(clickhouse, { limits: { recordsMax: 5_000, bytesMax: 1e7, daysMax: 130 } });
      await untilStored(writer, log);
      const [hours] = await query<{ n: string }>(clickhouse, 'SELECT sum(count) AS n FROM breakwater.telemetry_1h');
      expect(Number(hours?.n)).toBe(104 + 20 * 3);
      const [plan] = await query<{ days: string }>(
        clickhouse,
        'SELECT max(length(days)) AS days FROM breakwater.ingest_plans',
      );
      expect(Number(plan?.days)).toBeGreaterThan(100);
    },
    TIMEOUT_MS,
  );

  it(
    'when more blocks came in between than tables remember: rows are looked up',
    async () => {
      await log.appendMany(80, (index) => NOW_MS - index * 1_000);
      const first = start(clickhouse, { stores: crashing('afterFirstInsert', 1) });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      // Tables now forget the token of that insert, and the rollups of its day lose what it gave them.
      for (const table of ['telemetry', 'telemetry_1m', 'telemetry_1h']) {
        await clickhouse.client.command({
          query: `ALTER TABLE breakwater.${table} MODIFY SETTING non_replicated_deduplication_window = 4`,
        });
      }
      await clickhouse.client.command({ query: 'TRUNCATE TABLE breakwater.telemetry_1m' });
      for (let index = 0; index < 12; index += 1) {
        await clickhouse.client.command({
          query: `INSERT INTO breakwater.telemetry (tenant, device_id, key, ts, value, kind, log_id, partition)
          VALUES ('other', 'x${index}', 'k', now64(3), 1, 'num', 'other-log', 9)`,
        });
      }
      const { writer } = start(clickhouse, { windowBlocks: 4 });
      await untilStored(writer, log);
      await clickhouse.client.command({
        query: "ALTER TABLE breakwater.telemetry DELETE WHERE tenant = 'other' SETTINGS mutations_sync = 2",
      });
      expect(await storedRows(clickhouse)).toEqual(expectedRows(log));
      const [minutes] = await query<{ n: string }>(
        clickhouse,
        "SELECT sum(count) AS n FROM breakwater.telemetry_1m WHERE tenant = 'default'",
      );
      expect(Number(minutes?.n)).toBe(80 * 3);
    },
    TIMEOUT_MS,
  );

  it(
    'when it has to stop while an insert gets no answer: it ends soon, and the next start settles',
    async () => {
      await log.appendMany(40, () => NOW_MS);
      const neverAnswered = new Promise<ReplyFate>(() => undefined);
      let held = false;
      proxy.onInsertReply = () => {
        held = true;
        return neverAnswered;
      };
      const stuck = start(throughProxy);
      await until(
        () => 'an insert is under way',
        () => held,
      );
      const startedMs = Date.now();
      await stuck.writer.stop();
      expect(Date.now() - startedMs).toBeLessThan(STOP_MS_MAX);
      proxy.onInsertReply = () => 'pass';
      const { writer } = start(clickhouse);
      await untilStored(writer, log);
      await expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'while a stopped writer comes back: its inserts are refused',
    async () => {
      await log.appendMany(40, () => NOW_MS);
      let release = (): void => undefined;
      const paused = new Promise<void>((resolve) => (release = resolve));
      let stalled = (): void => undefined;
      const reached = new Promise<void>((resolve) => (stalled = resolve));
      const stale = start(clickhouse, {
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
      const { writer } = start(clickhouse);
      await untilStored(writer, log);
      await log.appendMany(40, () => NOW_MS);
      release();
      expect((await stale.ended)?.code).toBe('STALE_EPOCH');
      await untilStored(writer, log);
      await expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'when the log is another one: positions and tokens of the old one mean nothing',
    async () => {
      await log.appendMany(40, () => NOW_MS);
      const first = start(clickhouse, { stores: crashing('afterFirstInsert', 1) });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      const oldRows = expectedRows(log);
      log = new LogUnderTest(4, 'log-2');
      await log.appendMany(60, () => NOW_MS);
      const { writer } = start(clickhouse);
      await untilStored(writer, log);
      expect(await storedRows(clickhouse)).toHaveLength(oldRows.length + expectedRows(log).length);
      const ofNewLog = await storedRows(clickhouse, "log_id = 'log-2'");
      expect(ofNewLog).toEqual(expectedRows(log));
      expect(await rollupDifferences(clickhouse)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it.each([
    ['after its last plan was closed', false],
    ['after it was killed with a plan open', true],
  ])(
    'when the log was restored from a backup %s',
    async (_when, isKilled) => {
      await log.appendMany(40, () => NOW_MS);
      if (isKilled) {
        const first = start(clickhouse, { stores: crashing('afterFirstInsert', 1) });
        expect((await first.ended)?.code).toBe('TEST_CRASH');
      } else {
        const { writer } = start(clickhouse);
        await untilStored(writer, log);
        await writer.stop();
      }
      const ofOldLog = expectedRows(log);
      const restored = new LogUnderTest(4, 'log-2');
      await restored.copyFrom(log);
      log = restored;
      await log.appendMany(20, () => NOW_MS);
      const logOrigins = async () => [{ logId: 'log-1' as LogId, ends: [10, 10, 10, 10] }];
      const { writer } = start(clickhouse, { logOrigins });
      await untilStored(writer, log);
      expect(await storedRows(clickhouse, "log_id = 'log-1'")).toEqual(ofOldLog);
      expect(await storedRows(clickhouse, "log_id = 'log-2'")).toEqual(expectedRows(log));
      expect(await rollupDifferences(clickhouse)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'before a record of an unknown version: that partition stops, the others go on',
    async () => {
      await log.appendMany(40, () => NOW_MS);
      await log.log.append([
        {
          lane: 'telemetry',
          partition: 1 as Partition,
          producerId: 'newer',
          seq: 1,
          body: '{"v":2,"k":"telemetry"}',
          recordCount: 1,
        },
      ]);
      await log.appendMany(3, () => NOW_MS);
      const { writer } = start(clickhouse);
      await until(
        () => `partition 1 is named; ${JSON.stringify(writer.health())}`,
        () => writer.health().degraded.some(({ part }) => part === 'partition 1'),
      );
      await log.append(2, [{ kind: 'event', name: 'late', tsMs: NOW_MS, data: null }]);
      await until(
        () => 'partition 2 is stored',
        async () => writer.positions().positions.get(2 as Partition) === (await log.end(2)),
      );
      expect(writer.positions().positions.get(1 as Partition)).toBe(10);
    },
    TIMEOUT_MS,
  );

  describe('and a record that ClickHouse cannot read', () => {
    const poison = (text: string): RecordMessage => ({
      kind: 'telemetry',
      points: [{ tsMs: NOW_MS, values: new Map([['s', text]]) }],
    });

    async function expectOneDeadLetter(writer: TelemetryWriter): Promise<void> {
      await untilStored(writer, log);
      const good = expectedRows(log).filter((row) => !row.includes('\ud800'));
      expect(await storedRows(clickhouse)).toEqual(good);
      const letters = await query<{ payload: string }>(
        clickhouse,
        `SELECT partition, log_offset, tenant, device_id, code, base64Decode(payload_base64) AS payload
         FROM breakwater.dead_letters`,
      );
      expect(letters).toMatchObject([
        { partition: 2, log_offset: 0, tenant: 'default', device_id: 'device-2', code: 'INSERT_REFUSED' },
      ]);
      expect(letters[0]?.payload).toContain('\\ud800');
      const [ledger] = await query<{ stored: number; dead: number }>(
        clickhouse,
        `SELECT arraySum(stored) AS stored, arraySum(dead) AS dead FROM breakwater.ingest_plans
         WHERE state = 'closed' ORDER BY number DESC LIMIT 1`,
      );
      expect(ledger).toEqual({ stored: log.records - 1, dead: 1 });
    }

    it(
      'becomes a dead letter, and those around it are stored',
      async () => {
        await log.append(2, [poison('a\ud800')]);
        await log.appendMany(40, () => NOW_MS);
        const { writer } = start(clickhouse);
        await expectOneDeadLetter(writer);
        await log.appendMany(40, () => NOW_MS);
        await expectOneDeadLetter(writer);
      },
      TIMEOUT_MS,
    );

    it(
      'does so once when the writer ends in between, and when replies are cut',
      async () => {
        await log.append(2, [poison('a\ud800')]);
        await log.appendMany(40, () => NOW_MS);
        const first = start(clickhouse, { stores: crashing('beforeClose', 1) });
        expect((await first.ended)?.code).toBe('TEST_CRASH');
        let replies = 0;
        proxy.onInsertReply = () => ((replies += 1) <= 2 ? 'cut' : 'pass');
        const { writer } = start(throughProxy);
        await expectOneDeadLetter(writer);
      },
      TIMEOUT_MS,
    );

    it(
      'is not suspected when ClickHouse refuses for another reason: that is named until it is repaired',
      async () => {
        await log.appendMany(20, () => NOW_MS);
        const first = start(clickhouse);
        await untilStored(first.writer, log);
        await clickhouse.client.command({ query: 'RENAME TABLE breakwater.telemetry TO breakwater.hidden' });
        await clickhouse.client.command({
          query: 'CREATE TABLE breakwater.telemetry (tenant UInt8) ENGINE = MergeTree ORDER BY tenant',
        });
        await log.appendMany(20, () => NOW_MS);
        await until(
          () => `it says INSERT_REFUSED and the plan: ${JSON.stringify(first.writer.health())}`,
          () => /^INSERT_REFUSED \(plan \d+\)/.test(first.writer.health().degraded[0]?.detail ?? ''),
        );
        await clickhouse.client.command({ query: 'DROP TABLE breakwater.telemetry' });
        await clickhouse.client.command({ query: 'RENAME TABLE breakwater.hidden TO breakwater.telemetry' });
        await untilStored(first.writer, log);
        expect(first.writer.health().degraded).toEqual([]);
        expect(await storedRows(clickhouse)).toEqual(expectedRows(log));
      },
      TIMEOUT_MS,
    );
  });

  describe('and the rows of closed plans are looked at again when it starts', () => {
    async function storeSome(): Promise<void> {
      await log.append(1, [{ kind: 'event', name: 'door', tsMs: NOW_MS, data: null }]);
      await log.appendMany(120, (index) => NOW_MS - index * DAY_MS * 0.01);
      const { writer } = start(clickhouse, { limits: { recordsMax: 40, bytesMax: 1e6, daysMax: 9 } });
      await untilStored(writer, log);
      await writer.stop();
    }

    it(
      'a part that a table lost is brought back from the log, and rollups stay as they were',
      async () => {
        await storeSome();
        await clickhouse.client.command({ query: 'ALTER TABLE breakwater.telemetry DROP PARTITION ALL' });
        const { writer } = start(clickhouse);
        await untilStored(writer, log);
        await expectExact();
        expect(writer.health()).toEqual({ serving: true, degraded: [] });
      },
      TIMEOUT_MS,
    );

    it(
      'what cannot be brought back, and what is there twice, is named',
      async () => {
        await storeSome();
        await clickhouse.client.command({
          query: 'ALTER TABLE breakwater.telemetry DELETE WHERE log_offset = 3 SETTINGS mutations_sync = 2',
        });
        await clickhouse.client.command({
          query: 'INSERT INTO breakwater.telemetry SELECT * FROM breakwater.telemetry WHERE log_offset = 5',
        });
        const { writer } = start(clickhouse);
        await untilStored(writer, log);
        expect(writer.health().degraded).toMatchObject([
          {
            part: 'stored telemetry',
            detail: expect.stringMatching(/^ROWS_MISMATCH.* 4 records without rows, 16 rows/),
          },
        ]);
      },
      TIMEOUT_MS,
    );
  });

  describe('and these tests would see', () => {
    it(
      'an insert without its token',
      async () => {
        let replies = 0;
        proxy.onInsertReply = () => ((replies += 1) === 1 ? 'cut' : 'pass');
        await log.appendMany(40, () => NOW_MS);
        const { writer } = start(throughProxy, { stores: withoutTokens });
        await untilStored(writer, log);
        expect((await storedRows(clickhouse)).length).toBeGreaterThan(expectedRows(log).length);
      },
      TIMEOUT_MS,
    );

    it(
      'an insert without a plan before it',
      async () => {
        await log.appendMany(40, () => NOW_MS);
        const crash = crashing('beforeClose', 1);
        const noPlans = withoutPlans(clickhouse);
        const first = start(clickhouse, { stores: (real) => crash(noPlans(real)) });
        expect((await first.ended)?.code).toBe('TEST_CRASH');
        await log.appendMany(40, () => NOW_MS);
        const { writer } = start(clickhouse, { stores: noPlans });
        await untilStored(writer, log);
        expect(await storedRows(clickhouse)).not.toEqual(expectedRows(log));
      },
      TIMEOUT_MS,
    );
  });
});
