import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { RECORD_COLUMNS } from '../migrations/0001-telemetry.ts';
import { insertToken, type IngestPlan, type InsertSettings } from './ingest-plan.ts';
import { isRefusedForLines } from './refused-for-lines.ts';
import { entrancesOf } from './writer-range.ts';

const READABLE_TARGET = `FUNCTION null('${RECORD_COLUMNS.replaceAll(/\s+/g, ' ').trim()}')`;

/** Where the lines of a plan go. */
export class RecordSink {
  readonly #clickhouse: ClickHouse;

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
  }

  /** Inserts the lines of one day of a plan. Repeated, it adds nothing, in no table. */
  async insertDay(plan: IngestPlan, day: number, lines: Buffer): Promise<void> {
    const token = insertToken(plan, day);
    const target = `${this.#clickhouse.database}.${entrancesOf(plan.scope).records}`;
    await this.#insert(target, lines, { ...plan.settings, insert_deduplication_token: token }, `inserting ${token}`);
  }

  /** Whether ClickHouse can read these lines as the plan's insert would. Stores nothing. */
  async canRead(plan: IngestPlan, lines: Buffer): Promise<boolean> {
    try {
      await this.#insert(READABLE_TARGET, lines, plan.settings, `reading lines of plan ${plan.number}`);
      return true;
    } catch (error) {
      if (isRefusedForLines(error)) return false;
      throw error;
    }
  }

  async #insert(target: string, lines: Buffer, settings: InsertSettings, doing: string): Promise<void> {
    try {
      // `insert()` of the client would take objects and write them as JSON; here the lines are JSON already.
      const { stream } = await this.#clickhouse.client.exec({
        query: `INSERT INTO ${target} FORMAT JSONEachRow`,
        values: Readable.from([lines], { objectMode: false }),
        clickhouse_settings: settings,
        ...abortable(this.#clickhouse),
      });
      stream.resume();
      await finished(stream);
    } catch (error) {
      throw clickHouseFailure(error, doing);
    }
  }
}
