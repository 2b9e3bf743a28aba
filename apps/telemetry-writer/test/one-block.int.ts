import { INSERT_SETTINGS } from '@breakwater/adapter-clickhouse';
import type { TelemetryPoint } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { crashing, planningWith } from './crashing-stores.ts';
import { DAY_MS, query, rollupDifferences, untilStored } from './writer-bench.ts';
import { TIMEOUT_MS, writerSuite } from './writer-suite.ts';

/** Yesterday's noon: the minutes before it are all of one day, and so of one insert. */
const NOON_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS / 2;
const MINUTE_MS = 60_000;
/** Buckets of the minute rollup in one round: more than the 100,000 from which the engine divides by itself. */
const MINUTES = 220;
const KEYS = 500;
const ONE_ROUND = { recordsMax: 5_000, bytesMax: 64_000_000, daysMax: 9 };
/** What plans said before inserts were kept to one block: such a plan may have been left open. */
const OLDER = new Set([
  'group_by_two_level_threshold',
  'group_by_two_level_threshold_bytes',
  'max_bytes_ratio_before_external_group_by',
  'optimize_on_insert',
]);
const OLDER_SETTINGS = Object.fromEntries(Object.entries(INSERT_SETTINGS).filter(([name]) => !OLDER.has(name)));
const BLOCKS = `SELECT table, max(max_block_number) AS blocks FROM system.parts
  WHERE database = 'breakwater' AND table IN ('telemetry', 'telemetry_1m', 'telemetry_1h') GROUP BY table ORDER BY table`;
const NEWEST_PART = `SELECT name FROM system.parts WHERE database = 'breakwater' AND table = 'telemetry_1m' AND active
  ORDER BY max_block_number DESC LIMIT 1`;

describe('a round of very many devices and keys', () => {
  const suite = writerSuite();

  async function appendManyBuckets(): Promise<void> {
    for (let minute = 0; minute < MINUTES; minute += 1) {
      const values = new Map(Array.from({ length: KEYS }, (_, key) => [`k${key}`, minute]));
      const point: TelemetryPoint = { tsMs: NOON_MS - minute * MINUTE_MS, values };
      await suite.log.append(minute % 4, [{ kind: 'telemetry', points: [point] }]);
    }
  }

  async function blocks(): Promise<Readonly<Record<string, number>>> {
    const rows = await query<{ table: string; blocks: string }>(suite.clickhouse, BLOCKS);
    return Object.fromEntries(rows.map((row) => [row.table, Number(row.blocks)]));
  }

  /** As after a kill before the last of the blocks: a table forgets a token with the part that it stood for. */
  async function loseNewestMinutes(): Promise<void> {
    const run = (statement: string) => suite.clickhouse.client.command({ query: statement });
    await run('SYSTEM STOP MERGES breakwater.telemetry_1m');
    const [part] = await query<{ name: string }>(suite.clickhouse, NEWEST_PART);
    await run(`ALTER TABLE breakwater.telemetry_1m DROP PART '${part?.name}'`);
    await run('SYSTEM START MERGES breakwater.telemetry_1m');
    expect(await rollupDifferences(suite.clickhouse)).not.toEqual([]);
  }

  async function expectStoredOnce(): Promise<void> {
    const [raw] = await query<{ n: string }>(suite.clickhouse, 'SELECT count() AS n FROM breakwater.telemetry');
    expect(Number(raw?.n)).toBe(MINUTES * KEYS);
    expect(await rollupDifferences(suite.clickhouse)).toEqual([]);
  }

  it(
    'is one block in the rollups too',
    async () => {
      await appendManyBuckets();
      const { writer } = suite.start(suite.clickhouse, { limits: ONE_ROUND });
      await untilStored(writer, suite.log);
      expect(await blocks()).toEqual({ telemetry: 1, telemetry_1m: 1, telemetry_1h: 1 });
      await expectStoredOnce();
    },
    TIMEOUT_MS,
  );

  it(
    'that an older build left open in many blocks, one of them missing, is completed as it was cut',
    async () => {
      await appendManyBuckets();
      const crash = crashing('afterFirstInsert', 1);
      const older = suite.start(suite.clickhouse, {
        limits: ONE_ROUND,
        stores: (real) => crash(planningWith(OLDER_SETTINGS)(real)),
      });
      expect((await older.ended)?.code).toBe('TEST_CRASH');
      expect((await blocks())['telemetry_1m']).toBeGreaterThan(1);
      await loseNewestMinutes();
      const { writer } = suite.start(suite.clickhouse, { limits: ONE_ROUND });
      await untilStored(writer, suite.log);
      await expectStoredOnce();
    },
    2 * TIMEOUT_MS,
  );
});
