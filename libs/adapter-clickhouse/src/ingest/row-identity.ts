import { LIMITS } from '@breakwater/wire';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { LAST_ORDER } from '../migrations/0001-telemetry.ts';
import { ownedBy } from '../migrations/0010-writer-ranges.ts';
import { runRead } from '../read/run-read.ts';
import { INSERT_SETTINGS, insertToken, type IngestPlan } from './ingest-plan.ts';

/** Kinds of records, and the table that each has. */
const TABLE_OF_KIND = {
  telemetry: 'telemetry',
  event: 'events',
  commandRecorded: 'command_history',
  deadLetter: 'dead_letters',
} as const;
export type StoredKind = keyof typeof TABLE_OF_KIND;
const TIME_OF_KIND: Readonly<Record<StoredKind, string>> = {
  telemetry: 'ts',
  event: 'ts',
  commandRecorded: 'ts',
  deadLetter: 'received_at',
};

const DAY_SECONDS = 86_400;
const IN_PLAN = `log_id = {log:String}
  AND arrayExists((p, f, t) -> partition = p AND log_offset >= f AND log_offset < t,
  {partitions:Array(UInt16)}, {froms:Array(UInt64)}, {tos:Array(UInt64)})`;

/**
 * The second line of defence: rows are found by what they are (log id, lane, partition, offset, index) and not by a
 * token, which a table forgets after its deduplication window.
 */
export class RowIdentity {
  readonly #clickhouse: ClickHouse;

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
  }

  /** The kinds of which the plan's insert of that day is in its table. An insert is one block: all of it or nothing. */
  async storedKinds(plan: IngestPlan, day: number): Promise<ReadonlySet<StoredKind>> {
    const stored = new Set<StoredKind>();
    for (const kind of Object.keys(TABLE_OF_KIND) as StoredKind[]) {
      const [row] = await runRead<{ readonly n: string }>(this.#clickhouse, {
        doing: `looking up plan ${plan.number}`,
        query: `SELECT count() AS n FROM {database:Identifier}.${TABLE_OF_KIND[kind]}
          WHERE toDate(${TIME_OF_KIND[kind]}) = toDate({day:UInt32}) AND ${IN_PLAN}`,
        parameters: { ...placesOf(plan), day },
      });
      if (Number(row?.n ?? 0) > 0) stored.add(kind);
    }
    return stored;
  }

  /** Raw rows of the plan that are there more than once. */
  async repeatedRows(plan: IngestPlan): Promise<number> {
    const [row] = await runRead<{ readonly n: string }>(this.#clickhouse, {
      doing: `checking plan ${plan.number}`,
      query: `SELECT count() - uniqExact(log_offset, partition, row_index) AS n
        FROM {database:Identifier}.telemetry WHERE ${IN_PLAN} AND toDate(ts) IN {days:Array(Date)}`,
      parameters: { ...placesOf(plan), days: plan.days.map(({ day }) => isoDate(day)) },
    });
    return Number(row?.n ?? 0);
  }

  /**
   * What is stored of consecutive plans. A block has a number above the mark of its plan, which leaves out most parts;
   * with `everywhere` all are read.
   */
  async storedOfPlans(
    plans: readonly IngestPlan[],
    look: { readonly everywhere: boolean },
  ): Promise<{ readonly records: number; readonly repeatedRows: number }> {
    const [first, last] = [plans[0], plans.at(-1)];
    if (first === undefined || last === undefined) return { records: 0, repeatedRows: 0 };
    const begins = new Map(first.partitions.map(({ partition, from }) => [partition, from]));
    const partitions = last.partitions.map((part) => ({ ...part, from: begins.get(part.partition) ?? part.from }));
    const days = plans.flatMap((plan) => plan.days.map(({ day }) => day));
    const inDays = (time: string) => `toDate(${time}) BETWEEN toDate({dayMin:UInt32}) AND toDate({dayMax:UInt32})`;
    const [row] = await runRead<{ readonly records: string; readonly repeated: string }>(this.#clickhouse, {
      doing: `comparing plans ${first.number} to ${last.number} with what is stored`,
      query: `SELECT uniqExact(partition, log_offset) AS records,
          count() - uniqExact(partition, log_offset, row_index) AS repeated
        FROM (
          SELECT partition, log_offset, row_index FROM {database:Identifier}.telemetry
          WHERE ${IN_PLAN} AND ${inDays('ts')} AND _part IN (SELECT name FROM system.parts
            WHERE database = {name:String} AND table = 'telemetry' AND active AND max_block_number > {mark:Int64})
          UNION ALL
          SELECT partition, log_offset, toUInt32(0) FROM {database:Identifier}.events
          WHERE ${IN_PLAN} AND ${inDays('ts')}
          UNION ALL
          SELECT partition, log_offset, toUInt32(0) FROM {database:Identifier}.command_history
          WHERE ${IN_PLAN} AND ${inDays('ts')}
        )`,
      parameters: {
        ...placesOf({ ...last, partitions }),
        name: this.#clickhouse.database,
        mark: look.everywhere ? -1 : first.blockMark,
        dayMin: days.reduce((least, day) => Math.min(least, day), days[0] ?? 0),
        dayMax: days.reduce((most, day) => Math.max(most, day), 0),
      },
    });
    return { records: Number(row?.records ?? 0), repeatedRows: Number(row?.repeated ?? 0) };
  }

  /**
   * Brings the rollups of a plan's day into agreement with raw rows, in the buckets that the plan has rows in: each
   * gets what it lacks, and where it has too much, that amount with its sign turned.
   *
   * Others may insert into the day meanwhile. A bucket is of one device, a device's records are all in one partition,
   * and into that only the owner of its range inserts, which is whoever calls this: it is refused here as in any insert
   * when its epoch is not the newest. So nothing in these buckets moves between their counting and the insert; and of
   * two calls that were both let through, the token drops one. Repeated, also after a cut, the result is the same.
   */
  async completeRollups(plan: IngestPlan, day: number): Promise<'completed' | 'rawIsGone'> {
    const oldest = Math.floor(Date.now() / 1_000 / DAY_SECONDS) - LIMITS.rawRetentionDays + 1;
    if (day < oldest) return 'rawIsGone';
    const { client, database } = this.#clickhouse;
    // The 1-hour rollup is fed from the other one: it is looked at when that is complete.
    for (const rollup of ['telemetry_1m', 'telemetry_1h'] as const) {
      const doing = `completing ${rollup} of ${isoDate(day)} for plan ${plan.number}`;
      try {
        await client.command({
          query: lackingStatement(rollup).replaceAll('{database}', database),
          query_params: { ...placesOf(plan), day, epoch: plan.epoch },
          clickhouse_settings: {
            ...COMPLETING_SETTINGS,
            insert_deduplication_token: `${insertToken(plan, day)}/${rollup}`,
          },
          ...abortable(this.#clickhouse),
        });
      } catch (error) {
        throw clickHouseFailure(error, doing);
      }
    }
    return 'completed';
  }
}

/** All that a bucket lacks is one row, and all rows are one block, so that the token stands for the whole. */
const COMPLETING_SETTINGS = {
  ...INSERT_SETTINGS,
  min_insert_block_size_rows: INSERT_SETTINGS['max_block_size'] ?? '',
} as const;

const BUCKET_START = { telemetry_1m: 'toStartOfMinute', telemetry_1h: 'toStartOfHour' } as const;

/** Inserts into a rollup what the buckets of a plan's rows lack of what raw rows say. */
function lackingStatement(rollup: keyof typeof BUCKET_START): string {
  const start = BUCKET_START[rollup];
  const ofDay = `toDate(raw.ts) = toDate({day:UInt32}) AND kind IN ('num', 'bool')`;
  const touched = `SELECT DISTINCT tenant, device_id, key, ${start}(raw.ts)
    FROM {database}.telemetry AS raw WHERE ${ofDay} AND ${IN_PLAN}`;
  return `INSERT INTO {database}.${rollup}
SELECT wanted.tenant, wanted.device_id, wanted.key, wanted.bucket AS ts,
  toUInt64(wanted.count - had.count) AS count, wanted.sum - had.sum AS sum, wanted.min, wanted.max, wanted.last
FROM (
  SELECT tenant, device_id, key, ${start}(raw.ts) AS bucket, count() AS count, sum(value) AS sum, min(value) AS min,
    max(value) AS max, argMaxState(value, ${LAST_ORDER}) AS last
  FROM {database}.telemetry AS raw
  WHERE ${ofDay} AND (tenant, device_id, key, ${start}(raw.ts)) IN (${touched})
  GROUP BY tenant, device_id, key, bucket
) AS wanted
LEFT JOIN (
  SELECT tenant, device_id, key, rolled.ts AS bucket, sum(rolled.count) AS count, sum(rolled.sum) AS sum
  FROM {database}.${rollup} AS rolled
  WHERE toDate(rolled.ts) = toDate({day:UInt32}) AND (tenant, device_id, key, rolled.ts) IN (${touched})
  GROUP BY tenant, device_id, key, bucket
) AS had ON wanted.tenant = had.tenant AND wanted.device_id = had.device_id AND wanted.key = had.key
  AND wanted.bucket = had.bucket
WHERE wanted.count != had.count AND ${ownedBy('{epoch:UInt64}')}
ORDER BY wanted.tenant, wanted.device_id, wanted.key, wanted.bucket`;
}

function placesOf(plan: IngestPlan): Readonly<Record<string, unknown>> {
  const taken = plan.partitions.filter(({ from, to }) => from < to);
  return {
    log: plan.logId,
    partitions: taken.map(({ partition }) => partition),
    froms: taken.map(({ from }) => from),
    tos: taken.map(({ to }) => to),
  };
}

function isoDate(day: number): string {
  return new Date(day * DAY_SECONDS * 1_000).toISOString().slice(0, 10);
}
