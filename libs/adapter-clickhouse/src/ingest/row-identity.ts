import { LIMITS } from '@breakwater/wire';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { MINUTE_FROM_RAW, ROLLUP_GROUP } from '../migrations/0001-telemetry.ts';
import { runRead } from '../read/run-read.ts';
import type { IngestPlan } from './ingest-plan.ts';

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

  /** Makes a day of both rollups anew from its raw rows. Repeated or cut off and repeated, the result is the same. */
  async rebuildDay(day: number): Promise<'rebuilt' | 'rawIsGone'> {
    const { client, database } = this.#clickhouse;
    const oldest = Math.floor(Date.now() / 1_000 / DAY_SECONDS) - LIMITS.rawRetentionDays + 1;
    if (day < oldest) return 'rawIsGone';
    try {
      for (const table of ['telemetry_1m', 'telemetry_1h']) {
        await client.command({
          query: `ALTER TABLE ${database}.${table} DROP PARTITION '${isoDate(day)}'`,
          ...abortable(this.#clickhouse),
        });
      }
      // The view on this table feeds the 1-hour rollup. Equal rows were there before: none may count as repeated.
      await client.command({
        query: `INSERT INTO ${database}.telemetry_1m ${MINUTE_FROM_RAW.replaceAll('{database}', database)}
          AND toDate(raw.ts) = '${isoDate(day)}' ${ROLLUP_GROUP}`,
        clickhouse_settings: { insert_deduplicate: 0, deduplicate_blocks_in_dependent_materialized_views: 0 },
        ...abortable(this.#clickhouse),
      });
      return 'rebuilt';
    } catch (error) {
      throw clickHouseFailure(error, `rebuilding the rollups of ${isoDate(day)}`);
    }
  }
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
