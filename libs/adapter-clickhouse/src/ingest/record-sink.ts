import { Readable } from 'node:stream';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import type { ClickHouse } from '../connect-clickhouse.ts';
import { insertToken, type IngestPlan } from './ingest-plan.ts';

/** Where the lines of a plan go. */
export class RecordSink {
  readonly #clickhouse: ClickHouse;

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
  }

  /** Inserts the lines of one day of a plan. Repeated, it adds nothing, in no table. */
  async insertDay(plan: IngestPlan, day: number, lines: Buffer): Promise<void> {
    const token = insertToken(plan, day);
    try {
      await this.#clickhouse.client.insert({
        table: `${this.#clickhouse.database}.records_in`,
        values: Readable.from([lines], { objectMode: false }),
        format: 'JSONEachRow',
        clickhouse_settings: { ...plan.settings, insert_deduplication_token: token },
      });
    } catch (error) {
      throw clickHouseFailure(error, `inserting ${token}`);
    }
  }
}
