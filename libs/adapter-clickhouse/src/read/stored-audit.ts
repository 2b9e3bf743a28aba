import type { LogId, Partition } from '@breakwater/twin';
import { LIMITS } from '@breakwater/wire';

import type { ClickHouse } from '../connect-clickhouse.ts';
import { planFromRow, type PlanRow } from '../ingest/plan-row.ts';
import type { IngestPlan } from '../ingest/ingest-plan.ts';
import { runRead } from './run-read.ts';

/** Offsets of one partition of one log, `to` exclusive. */
export interface OffsetRange {
  readonly logId: LogId;
  readonly partition: Partition;
  readonly from: number;
  readonly to: number;
}

/** The plans of one range of partitions in one log. */
export interface WriterChainInLog {
  readonly scope: string;
  readonly logId: LogId;
}

export interface RepeatedRow {
  readonly offset: number;
  readonly rowIndex: number;
  readonly copies: number;
}

/** One device's key on one day, of which a rollup does not say what the raw rows say. */
export interface RollupDifference {
  readonly table: string;
  readonly day: string;
  readonly tenant: string;
  readonly device: string;
  readonly key: string;
  readonly rawCount: number;
  readonly rollupCount: number;
  readonly rawSum: number;
  readonly rollupSum: number;
}

const DAY_SECONDS = 86_400;
const ROLLUPS = ['telemetry_1m', 'telemetry_1h'] as const;
/** Sums of the same numbers in another order differ by less than this share of the sum of their sizes. */
const SUM_TOLERANCE = 1e-9;
/** Records with rows, whichever table they are in. The kinds that have no row index have one row. */
const IN_RANGE = `log_id = {log:String} AND partition = {partition:UInt16}
  AND log_offset >= {from:UInt64} AND log_offset < {to:UInt64}`;
const ROWS = `SELECT log_offset, row_index FROM {database:Identifier}.telemetry WHERE ${IN_RANGE}
  UNION ALL SELECT log_offset, toUInt32(0) AS row_index FROM {database:Identifier}.events WHERE ${IN_RANGE}
  UNION ALL SELECT log_offset, toUInt32(0) AS row_index FROM {database:Identifier}.command_history WHERE ${IN_RANGE}`;

/**
 * Counts what is stored from the rows themselves. Every read is of one partition and a range of offsets, or of one
 * day, so that its memory is bounded by the caller.
 */
export class StoredAudit {
  readonly #clickhouse: ClickHouse;

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
  }

  /** The scopes that have closed plans of a log; each has a chain of its own. */
  async scopes(logId: LogId): Promise<readonly string[]> {
    const rows = await this.#read<{ scope: string }>(
      'finding the ranges of the log',
      `SELECT DISTINCT scope FROM {database:Identifier}.ingest_plans
       WHERE state = 'closed' AND log_id = {log:String} ORDER BY scope`,
      { log: logId },
    );
    return rows.map(({ scope }) => scope);
  }

  /**
   * Closed plans of a chain in a log, ascending, at most about `plansMax` of them and evenly spaced: from the last one
   * of which raw rows may have passed their retention (or the oldest that is kept), to the newest; and those at which
   * the chain was retired or adopted.
   */
  async spacedPlans(
    { scope, logId }: WriterChainInLog,
    plansMax: number,
  ): Promise<{ readonly plans: readonly IngestPlan[]; readonly firstHasRows: boolean }> {
    const of = `FROM {database:Identifier}.ingest_plans
      WHERE scope = {scope:String} AND state = 'closed' AND log_id = {log:String}`;
    const oldestDay = Math.floor(Date.now() / 1_000 / DAY_SECONDS) - LIMITS.rawRetentionDays + 1;
    const [bounds] = await this.#read<{ first: string; last: string; aged: string; plans: string }>(
      'finding the plans of the log',
      `SELECT min(number) AS first, max(number) AS last, count() AS plans,
         maxIf(number, arrayExists(day -> day < {oldest:Int32}, days)) AS aged ${of}`,
      { scope, log: logId, oldest: oldestDay },
    );
    if (bounds === undefined || Number(bounds.plans) === 0) return { plans: [], firstHasRows: false };
    const first = Math.max(Number(bounds.first), Number(bounds.aged));
    const last = Number(bounds.last);
    const step = Math.max(1, Math.ceil((last - first) / plansMax));
    const rows = await this.#read<PlanRow>(
      'reading the plans of the log',
      `SELECT * ${of} AND number >= {first:UInt64}
         AND (number IN ({first:UInt64}, {last:UInt64}) OR number % {step:UInt64} = 0 OR records = 0)
       ORDER BY number LIMIT 1 BY number`,
      { scope, log: logId, first, last, step },
    );
    return { plans: rows.map(planFromRow), firstHasRows: Number(bounds.aged) < first };
  }

  /** The closed plans between two others, for a closer look. */
  async plansBetween({ scope, logId }: WriterChainInLog, after: number, upTo: number): Promise<readonly IngestPlan[]> {
    const rows = await this.#read<PlanRow>(
      'reading plans',
      `SELECT * FROM {database:Identifier}.ingest_plans WHERE scope = {scope:String} AND state = 'closed'
         AND log_id = {log:String} AND number > {after:UInt64} AND number <= {upTo:UInt64}
       ORDER BY number LIMIT 1 BY number`,
      { scope, log: logId, after, upTo },
    );
    return rows.map(planFromRow);
  }

  /** Records that have rows, and rows that are there more than once. */
  async countRange(range: OffsetRange): Promise<{ readonly records: number; readonly repeatedRows: number }> {
    const [row] = await this.#read<{ records: string; repeated: string }>(
      `counting rows of partition ${range.partition}`,
      `SELECT uniqExact(log_offset) AS records, count() - uniqExact(log_offset, row_index) AS repeated FROM (${ROWS})`,
      parametersOf(range),
    );
    return { records: Number(row?.records ?? 0), repeatedRows: Number(row?.repeated ?? 0) };
  }

  /** Offsets without a row, ascending. Records that have nothing to store are among them. */
  async offsetsWithoutRows(range: OffsetRange, limit: number): Promise<readonly number[]> {
    const rows = await this.#read<{ offset: string }>(
      `looking for missing offsets of partition ${range.partition}`,
      `SELECT number AS offset FROM numbers({from:UInt64}, {count:UInt64})
       WHERE number NOT IN (SELECT log_offset FROM (${ROWS})) ORDER BY offset LIMIT {limit:UInt32}`,
      { ...parametersOf(range), count: range.to - range.from, limit },
    );
    return rows.map(({ offset }) => Number(offset));
  }

  async repeatedRows(range: OffsetRange, limit: number): Promise<readonly RepeatedRow[]> {
    const rows = await this.#read<{ log_offset: string; row_index: number; copies: string }>(
      `looking for repeated rows of partition ${range.partition}`,
      `SELECT log_offset, row_index, count() AS copies FROM (${ROWS})
       GROUP BY log_offset, row_index HAVING copies > 1 ORDER BY log_offset, row_index LIMIT {limit:UInt32}`,
      { ...parametersOf(range), limit },
    );
    return rows.map(({ log_offset: offset, row_index: rowIndex, copies }) => ({
      offset: Number(offset),
      rowIndex,
      copies: Number(copies),
    }));
  }

  /** Days that have raw rows, less those of which the oldest rows may just be leaving. */
  async days(): Promise<readonly string[]> {
    const rows = await this.#read<{ day: string }>(
      'finding the days',
      `SELECT toString(toDate(ts)) AS day FROM {database:Identifier}.telemetry
       WHERE ts > now() - INTERVAL {days:UInt32} DAY GROUP BY day ORDER BY day`,
      { days: LIMITS.rawRetentionDays - 1 },
    );
    return rows.map(({ day }) => day);
  }

  /** Raw rows against both rollups, for one day. */
  async rollupDifferences(day: string, limit: number): Promise<readonly RollupDifference[]> {
    const found: RollupDifference[] = [];
    for (const table of ROLLUPS) found.push(...(await this.#rollupDifferences(day, table, limit)));
    return found;
  }

  async #rollupDifferences(day: string, table: string, limit: number): Promise<readonly RollupDifference[]> {
    const rows = await this.#read<Readonly<Record<string, string | number>>>(
      `comparing ${table} of ${day} with the raw rows`,
      `SELECT tenant, device_id, key, sum(raw_n) AS raw_count, sum(rolled_n) AS rolled_count,
         sum(raw_s) AS raw_sum, sum(rolled_s) AS rolled_sum, sum(size) AS sizes
       FROM (
         SELECT tenant, device_id, key, toInt64(count()) AS raw_n, toInt64(0) AS rolled_n, sum(value) AS raw_s,
           toFloat64(0) AS rolled_s, sum(abs(value)) AS size
         FROM {database:Identifier}.telemetry WHERE toDate(ts) = {day:Date} AND kind IN ('num', 'bool')
         GROUP BY tenant, device_id, key
         UNION ALL
         SELECT tenant, device_id, key, toInt64(0), toInt64(sum(count)), toFloat64(0), sum(rollup.sum), toFloat64(0)
         FROM {database:Identifier}.{table:Identifier} AS rollup WHERE toDate(ts) = {day:Date}
         GROUP BY tenant, device_id, key
       )
       GROUP BY tenant, device_id, key
       HAVING raw_count != rolled_count OR abs(raw_sum - rolled_sum) > {tolerance:Float64} * sizes
       ORDER BY tenant, device_id, key LIMIT {limit:UInt32}`,
      { day, table, limit, tolerance: SUM_TOLERANCE },
    );
    return rows.map((row) => ({
      table,
      day,
      tenant: String(row['tenant']),
      device: String(row['device_id']),
      key: String(row['key']),
      rawCount: Number(row['raw_count']),
      rollupCount: Number(row['rolled_count']),
      rawSum: Number(row['raw_sum']),
      rollupSum: Number(row['rolled_sum']),
    }));
  }

  #read<Row>(doing: string, query: string, parameters: Readonly<Record<string, unknown>>): Promise<readonly Row[]> {
    return runRead<Row>(this.#clickhouse, { doing, query, parameters });
  }
}

function parametersOf({ logId, partition, from, to }: OffsetRange): Readonly<Record<string, unknown>> {
  return { log: logId, partition, from, to };
}
