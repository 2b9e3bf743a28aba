import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { clickHouseFailure } from '../clickhouse-failure.ts';

/** Ceilings of one read: a slow or greedy one ends in an error and never holds the store. */
const READ_SETTINGS = {
  readonly: '2',
  max_execution_time: 10,
  timeout_overflow_mode: 'throw',
  max_memory_usage: '300000000',
  max_result_rows: '200000',
  result_overflow_mode: 'throw',
  max_threads: 2,
} as const;

/** Runs one SELECT with bound parameters only; `{database:Identifier}` is always there. */
export async function runRead<Row>(
  clickhouse: ClickHouse,
  read: { readonly doing: string; readonly query: string; readonly parameters?: Readonly<Record<string, unknown>> },
): Promise<readonly Row[]> {
  try {
    const result = await clickhouse.client.query({
      query: read.query,
      format: 'JSONEachRow',
      query_params: { database: clickhouse.database, ...read.parameters },
      clickhouse_settings: READ_SETTINGS,
      ...abortable(clickhouse),
    });
    return await result.json<Row>();
  } catch (error) {
    throw clickHouseFailure(error, read.doing);
  }
}
