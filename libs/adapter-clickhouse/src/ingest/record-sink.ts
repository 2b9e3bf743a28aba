import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

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
      // `insert()` of the client would take objects and write them as JSON; here the lines are JSON already.
      const { stream } = await this.#clickhouse.client.exec({
        query: `INSERT INTO ${this.#clickhouse.database}.records_in FORMAT JSONEachRow`,
        values: Readable.from([lines], { objectMode: false }),
        clickhouse_settings: { ...plan.settings, insert_deduplication_token: token },
      });
      stream.resume();
      await finished(stream);
    } catch (error) {
      throw clickHouseFailure(error, `inserting ${token}`);
    }
  }
}
