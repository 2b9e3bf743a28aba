import type { AggregateQuery, Aggregation } from '@breakwater/twin-runtime';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Source {
  readonly table: string;
  /** Milliseconds of a row's time. */
  readonly tsMs: string;
  readonly filter: string;
  readonly values: Readonly<Record<Aggregation, string>>;
}

const RAW: Source = {
  table: 'telemetry',
  tsMs: 'toUnixTimestamp64Milli(source.ts)',
  filter: "AND kind IN ('num', 'bool')",
  values: {
    avg: 'avg(source.value)',
    min: 'min(source.value)',
    max: 'max(source.value)',
    sum: 'sum(source.value)',
    count: 'toFloat64(count())',
    last: 'argMax(source.value, (source.ts, source.log_offset))',
  },
};

const ROLLUP: Omit<Source, 'table'> = {
  tsMs: 'toInt64(toUnixTimestamp(source.ts)) * 1000',
  filter: '',
  values: {
    avg: 'sum(source.sum) / sum(source.count)',
    min: 'min(source.min)',
    max: 'max(source.max)',
    sum: 'sum(source.sum)',
    count: 'toFloat64(sum(source.count))',
    last: 'argMaxMerge(source.last)',
  },
};

/**
 * The coarsest source whose buckets fit into the step: a step of 90 s is made of raw rows, since minutes would not fit.
 * The range is widened to whole rows of that source, as a bucket at its edge is shown whole.
 */
export function aggregateStatement(query: Pick<AggregateQuery, 'stepMs' | 'agg'>): string {
  const source = sourceOf(query.stepMs);
  const bucket = `intDiv(${source.tsMs}, {step:Int64}) * {step:Int64}`;
  return `SELECT bucket AS ts_ms, key, ${source.values[query.agg]} AS value
FROM (SELECT *, ${bucket} AS bucket FROM {database:Identifier}.${source.table} AS source
  WHERE tenant = {tenant:String} AND device_id = {device:String} ${source.filter}
    AND (empty({keys:Array(String)}) OR has({keys:Array(String)}, key))
    AND ${source.tsMs} >= intDiv({from:Int64}, {step:Int64}) * {step:Int64} AND ${source.tsMs} < {to:Int64}
    AND source.ts >= toDateTime(intDiv(intDiv({from:Int64}, {step:Int64}) * {step:Int64}, 1000), 'UTC')
    AND source.ts <= toDateTime(intDiv({to:Int64}, 1000) + 1, 'UTC')) AS source
WHERE (bucket, key) < ({ts:Int64}, {key:String})
GROUP BY bucket, key ORDER BY bucket DESC, key DESC LIMIT {limit:UInt32}`;
}

function sourceOf(stepMs: number): Source {
  if (stepMs % HOUR_MS === 0) return { table: 'telemetry_1h', ...ROLLUP };
  return stepMs % MINUTE_MS === 0 ? { table: 'telemetry_1m', ...ROLLUP } : RAW;
}
