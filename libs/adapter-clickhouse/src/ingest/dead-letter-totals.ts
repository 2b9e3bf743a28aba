import type { Partition } from '@breakwater/twin';

import { clickHouseFailure } from '../clickhouse-failure.ts';
import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { runRead } from '../read/run-read.ts';

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

/** Dead letters of some partitions that are kept, of today and yesterday, by `tenant/day` (days since 1970). */
export async function readKeptDeadLetters(
  clickhouse: ClickHouse,
  partitions: readonly Partition[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await runRead<{ tenant: string; day_number: number; total: string }>(clickhouse, {
    doing: 'reading the dead letters of today',
    query: `SELECT tenant, toUInt32(toDate(received_at)) AS day_number, count() AS total
      FROM {database:Identifier}.dead_letters
      WHERE toDate(received_at) >= today() - 1 AND partition IN {partitions:Array(UInt16)}
      GROUP BY tenant, day_number LIMIT {limit:UInt32}`,
    parameters: { partitions, limit: TENANTS_MAX },
  });
  return new Map(rows.map(({ tenant, day_number: day, total }) => [`${tenant}/${day}`, Number(total)]));
}
