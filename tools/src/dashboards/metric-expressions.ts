/**
 * The metrics that the dashboards show, and PromQL made of them: a misspelt name, a label that the metric has not, or
 * the rate of a gauge do not compile. A test compares this list with what the processes really make.
 */
interface MetricShape {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
}

export const SHOWN_METRICS = {
  append_queue_bytes: { kind: 'gauge', labels: [] },
  bans: { kind: 'gauge', labels: [] },
  dead_letters_total: { kind: 'counter', labels: ['code'] },
  device_to_row_seconds: { kind: 'histogram', labels: [] },
  device_to_twin_seconds: { kind: 'histogram', labels: [] },
  downlinks_total: { kind: 'counter', labels: ['result'] },
  headroom_seconds: { kind: 'gauge', labels: ['queue'] },
  http_request_seconds: { kind: 'histogram', labels: ['method', 'route', 'status'] },
  ingest_rejected_total: { kind: 'counter', labels: ['reason'] },
  ledger_checked_seconds: { kind: 'gauge', labels: [] },
  ledger_imbalance: { kind: 'gauge', labels: ['consumer', 'lane', 'partition'] },
  log_append_retries_total: { kind: 'counter', labels: [] },
  log_append_seconds: { kind: 'histogram', labels: [] },
  log_to_twin_seconds: { kind: 'histogram', labels: [] },
  memory_max_bytes: { kind: 'gauge', labels: [] },
  memory_used_bytes: { kind: 'gauge', labels: [] },
  mqtt_closes_total: { kind: 'counter', labels: ['reason', 'code'] },
  mqtt_connections: { kind: 'gauge', labels: [] },
  mqtt_connects_total: { kind: 'counter', labels: ['result'] },
  mqtt_detached_sessions: { kind: 'gauge', labels: [] },
  mqtt_messages_received_total: { kind: 'counter', labels: ['kind', 'qos'] },
  mqtt_publish_ack_seconds: { kind: 'histogram', labels: [] },
  mqtt_publishes_held_total: { kind: 'counter', labels: ['cause'] },
  mqtt_reading_stopped_total: { kind: 'counter', labels: ['cause'] },
  overload_measure: { kind: 'gauge', labels: ['measure'] },
  partitions_stopped: { kind: 'gauge', labels: [] },
  queue_max: { kind: 'gauge', labels: ['queue'] },
  queue_used: { kind: 'gauge', labels: ['queue'] },
  shed_total: { kind: 'counter', labels: ['class', 'reason', 'tenant'] },
  twin_batch_records: { kind: 'histogram', labels: [] },
  twin_commits_refused_total: { kind: 'counter', labels: ['code'] },
  twin_commits_total: { kind: 'counter', labels: [] },
  twin_records_total: { kind: 'counter', labels: ['lane', 'outcome'] },
  twin_shard_ends_total: { kind: 'counter', labels: ['reason'] },
  twin_shards: { kind: 'gauge', labels: [] },
  worker_failures_total: { kind: 'counter', labels: ['place'] },
  writer_buffered_bytes: { kind: 'gauge', labels: [] },
  writer_bytes_total: { kind: 'counter', labels: [] },
  writer_failures_total: { kind: 'counter', labels: [] },
  writer_records_total: { kind: 'counter', labels: [] },
  writer_refused: { kind: 'gauge', labels: [] },
  writer_round_seconds: { kind: 'histogram', labels: [] },
} as const satisfies Readonly<Record<string, MetricShape>>;

type Metrics = typeof SHOWN_METRICS;
type NameOf<Kind extends MetricShape['kind']> = {
  readonly [Name in keyof Metrics]: Metrics[Name]['kind'] extends Kind ? Name : never;
}[keyof Metrics];
/** The process's part stands in `service`; Prometheus adds the rest when it scrapes. */
type LabelOf<Name extends keyof Metrics> = Metrics[Name]['labels'][number] | 'service' | 'instance';

const PREFIX = 'breakwater_';
const WINDOW = '$__rate_interval';

/** Per second, over all processes. */
export function rate<Name extends NameOf<'counter'>>(name: Name, ...by: readonly LabelOf<Name>[]): string {
  return `${aggregate('sum', by)} (rate(${PREFIX}${name}[${WINDOW}]))`;
}

/** Observations of a histogram per second: how often it was, whatever it took. */
export function countRate<Name extends NameOf<'histogram'>>(name: Name, ...by: readonly LabelOf<Name>[]): string {
  return `${aggregate('sum', by)} (rate(${PREFIX}${name}_count[${WINDOW}]))`;
}

export function quantile<Name extends NameOf<'histogram'>>(
  part: number,
  name: Name,
  ...by: readonly LabelOf<Name>[]
): string {
  const labels = ['le', ...by].join(', ');
  return `histogram_quantile(${part}, sum by (${labels}) (rate(${PREFIX}${name}_bucket[${WINDOW}])))`;
}

/** Half of all, and all but one in a hundred, by legend. */
export function latencies(name: NameOf<'histogram'>, what: string): Readonly<Record<string, string>> {
  return { [`${what} p50`]: quantile(0.5, name), [`${what} p99`]: quantile(0.99, name) };
}

export function sum<Name extends NameOf<'gauge'>>(name: Name, ...by: readonly LabelOf<Name>[]): string {
  return `${aggregate('sum', by)} (${PREFIX}${name})`;
}

export function max<Name extends NameOf<'gauge'>>(name: Name, ...by: readonly LabelOf<Name>[]): string {
  return `${aggregate('max', by)} (${PREFIX}${name})`;
}

export function min<Name extends NameOf<'gauge'>>(name: Name, ...by: readonly LabelOf<Name>[]): string {
  return `${aggregate('min', by)} (${PREFIX}${name})`;
}

/** The fullest of each kind, as a part of what it may hold. */
export function fillOf<Used extends NameOf<'gauge'>, Max extends NameOf<'gauge'>>(
  [used, most]: readonly [Used, Max],
  ...by: readonly (LabelOf<Used> & LabelOf<Max>)[]
): string {
  return `${aggregate('max', by)} (${PREFIX}${used} / ${PREFIX}${most})`;
}

/** Seconds since the time that a gauge holds. */
export function ageOf(name: NameOf<'gauge'>): string {
  return `time() - max (${PREFIX}${name})`;
}

/** What the client library measures of each process by itself. */
export const PROCESS_METRICS = ['process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds'] as const;

export function cpuOfProcesses(): string {
  return `sum by (service, instance) (rate(${PROCESS_METRICS[0]}{service!=""}[${WINDOW}]))`;
}

export function eventLoopLag(): string {
  return `max by (service, instance) (${PROCESS_METRICS[1]}{service!=""})`;
}

function aggregate(operator: string, by: readonly string[]): string {
  return by.length === 0 ? operator : `${operator} by (${by.join(', ')})`;
}
