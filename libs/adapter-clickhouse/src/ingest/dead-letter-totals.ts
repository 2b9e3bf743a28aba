import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';

const TENANTS_MAX = 200_000;

/** Dead letters of today and yesterday by `tenant/day` (days since 1970), kept or only counted. */
export async function readDeadLetterTotals(clickhouse: ClickHouse): Promise<ReadonlyMap<string, number>> {
  try {
    const result = await clickhouse.client.query({
      query: `SELECT tenant, toUInt32(day) AS day_number, sum(count) AS total
        FROM {database:Identifier}.dead_letter_totals WHERE day >= today() - 1
        GROUP BY tenant, day_number LIMIT {limit:UInt32}`,
      format: 'JSONEachRow',
      query_params: { database: clickhouse.database, limit: TENANTS_MAX },
      ...abortable(clickhouse),
    });
    const rows = await result.json<{ tenant: string; day_number: number; total: string }>();
    return new Map(rows.map(({ tenant, day_number: day, total }) => [`${tenant}/${day}`, Number(total)]));
  } catch (error) {
    throw clickHouseFailure(error, 'reading the dead letters of today');
  }
}
