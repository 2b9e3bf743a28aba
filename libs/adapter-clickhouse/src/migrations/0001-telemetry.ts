import { LIMITS } from '@breakwater/wire';

import type { Migration } from './migration.ts';

/**
 * Blocks that a table remembers to recognise a repeated one. The writer has one insert in flight and repeats only the
 * last, so this is far more than it needs; beyond it, the writer looks rows up by identity (ADR 0005).
 */
export const DEDUPLICATION_WINDOW_BLOCKS = 10_000;

/** An insert is on the disk before it is answered, and its table recognises a repeated one. */
export const DURABLE = `fsync_after_insert = 1, fsync_part_directory = 1,
  non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW_BLOCKS}`;

/** Refuses, inside the insert, the lines of a writer whose epoch is not the newest. */
export const OWNED = `throwIf(e != (SELECT max(w.epoch) FROM {database}.writer_epochs AS w WHERE w.scope = 'telemetry'),
  'STALE_EPOCH') = 0`;

const ROLLUP_COLUMNS = `
  tenant LowCardinality(String),
  device_id String CODEC(ZSTD(1)),
  key LowCardinality(String),
  ts DateTime('UTC') CODEC(Delta, ZSTD(1)),
  count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
  sum SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
  min SimpleAggregateFunction(min, Float64) CODEC(ZSTD(1)),
  max SimpleAggregateFunction(max, Float64) CODEC(ZSTD(1)),
  last AggregateFunction(argMax, Float64, UInt128) CODEC(ZSTD(1))`;

/** Newest device time wins, ties go to the higher offset: as in the twin. One integer compares faster than a tuple. */
export const LAST_ORDER =
  'bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Milli(raw.ts)), 64), toUInt128(raw.log_offset))';

/** What one block of raw rows adds to the 1-minute rollup. */
const MINUTE_FROM_RAW = `SELECT tenant, device_id, key, toStartOfMinute(raw.ts) AS ts,
  count() AS count, sum(value) AS sum, min(value) AS min, max(value) AS max, argMaxState(value, ${LAST_ORDER}) AS last
FROM {database}.telemetry AS raw WHERE kind IN ('num', 'bool')`;
const HOUR_FROM_MINUTE = `SELECT tenant, device_id, key, toStartOfHour(minute.ts) AS ts,
  sum(minute.count) AS count, sum(minute.sum) AS sum, min(minute.min) AS min, max(minute.max) AS max,
  argMaxMergeState(minute.last) AS last
FROM {database}.telemetry_1m AS minute`;
const ROLLUP_GROUP = 'GROUP BY tenant, device_id, key, ts';

const VALUES_OF = (point: string) =>
  `length(${point}.n) + length(${point}.b) + length(${point}.s) + length(${point}.j)`;

const WRITER_EPOCHS = `CREATE TABLE IF NOT EXISTS {database}.writer_epochs (
  scope LowCardinality(String), epoch UInt64, owner String, at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = MergeTree ORDER BY (scope, epoch) SETTINGS ${DURABLE}`;

/** What a record line is read as. */
export const RECORD_COLUMNS = `  e UInt64, lid LowCardinality(String), pt UInt16, o UInt64,
  k LowCardinality(String), tenant LowCardinality(String), device String, id String, ra Int64,
  p Array(Tuple(ts Int64, m UInt8, x UInt32,
    n Map(String, Float64), b Map(String, Bool), s Map(String, String), j Map(String, String))),
  data String`;

/** Rows never stay here: the views below make rows of the lines, and everything else of a line is not even read. */
const RECORDS_IN = `CREATE TABLE IF NOT EXISTS {database}.records_in (
${RECORD_COLUMNS}
) ENGINE = Null`;

const TELEMETRY = `CREATE TABLE IF NOT EXISTS {database}.telemetry (
  tenant LowCardinality(String),
  device_id String CODEC(ZSTD(1)),
  key LowCardinality(String),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  value Float64 CODEC(Delta, ZSTD(1)),
  str String CODEC(ZSTD(1)),
  kind Enum8('num' = 1, 'bool' = 2, 'str' = 3, 'json' = 4) CODEC(ZSTD(1)),
  received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  marked Bool CODEC(ZSTD(1)),
  log_id LowCardinality(String),
  lane LowCardinality(String),
  partition UInt16 CODEC(ZSTD(1)),
  log_offset UInt64 CODEC(Delta, ZSTD(1)),
  row_index UInt32 CODEC(ZSTD(1)),
  message_id String CODEC(ZSTD(1))
) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY (tenant, device_id, key, ts)
TTL toDateTime(ts) + INTERVAL ${LIMITS.rawRetentionDays} DAY
SETTINGS ttl_only_drop_parts = 1, ${DURABLE}`;

/** Where lines come in, and how those of a writer that was replaced are refused. */
export interface LineSource {
  readonly table: string;
  /** A condition that throws. */
  readonly owned: string;
}

/** What a view makes of the lines of a source. */
export type LineQuery = (from: LineSource) => string;

const WHOLE_LANE_LINES: LineSource = { table: 'records_in', owned: OWNED };

/** `x` of a point is the index of its first row when a line holds only a part of its record's points. */
const telemetryQuery: LineQuery = ({
  table,
  owned,
}) => `SELECT tenant, device AS device_id, key, fromUnixTimestamp64Milli(point_ts, 'UTC') AS ts, value, str, kind,
  fromUnixTimestamp64Milli(ra, 'UTC') AS received_at, marked, lid AS log_id, 'telemetry' AS lane, pt AS partition,
  o AS log_offset, base + ordinal - 1 AS row_index, id AS message_id
FROM (
  SELECT tenant, device, id, ra, lid, pt, o, point.ts AS point_ts, point.m AS marked, base,
    arrayConcat(mapKeys(point.n), mapKeys(point.b), mapKeys(point.s), mapKeys(point.j)) AS keys,
    arrayResize(arrayConcat(mapValues(point.n), arrayMap(v -> toFloat64(v), mapValues(point.b))),
      length(keys)) AS values,
    arrayConcat(arrayResize(emptyArrayString(), length(point.n) + length(point.b)),
      mapValues(point.s), mapValues(point.j)) AS strs,
    arrayConcat(arrayResize(emptyArrayInt8(), length(point.n), 1), arrayResize(emptyArrayInt8(), length(point.b), 2),
      arrayResize(emptyArrayInt8(), length(point.s), 3), arrayResize(emptyArrayInt8(), length(point.j), 4)) AS kinds
  FROM (
    SELECT *, arrayCumSum(arrayMap(x -> ${VALUES_OF('x')}, p)) AS ends
    FROM {database}.${table} WHERE k = 'telemetry' AND ${owned}
  ) ARRAY JOIN p AS point, arrayMap((end, x) -> if(x.x > 0, x.x, end - (${VALUES_OF('x')})), ends, p) AS base
) ARRAY JOIN keys AS key, values AS value, strs AS str, kinds AS kind, arrayEnumerate(keys) AS ordinal`;

const EVENTS = `CREATE TABLE IF NOT EXISTS {database}.events (
  tenant LowCardinality(String), device_id String CODEC(ZSTD(1)), name LowCardinality(String),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  data String CODEC(ZSTD(1)), log_id LowCardinality(String), lane LowCardinality(String),
  partition UInt16 CODEC(ZSTD(1)), log_offset UInt64 CODEC(Delta, ZSTD(1)), message_id String CODEC(ZSTD(1))
) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY (tenant, device_id, ts, log_offset)
TTL toDateTime(ts) + INTERVAL ${LIMITS.rawRetentionDays} DAY
SETTINGS ttl_only_drop_parts = 1, ${DURABLE}`;

/** `record.data` is qualified: without that it would mean the column that is made of it here. */
const eventsQuery: LineQuery = ({
  table,
  owned,
}) => `SELECT tenant, device AS device_id, JSONExtractString(record.data, 'name') AS name,
  fromUnixTimestamp64Milli(JSONExtractInt(record.data, 'tsMs'), 'UTC') AS ts,
  fromUnixTimestamp64Milli(ra, 'UTC') AS received_at, JSONExtractRaw(record.data, 'data') AS data, lid AS log_id,
  'telemetry' AS lane, pt AS partition, o AS log_offset, id AS message_id
FROM {database}.${table} AS record WHERE k = 'event' AND ${owned}`;

const DEAD_LETTERS = `CREATE TABLE IF NOT EXISTS {database}.dead_letters (
  tenant LowCardinality(String), device_id String CODEC(ZSTD(1)),
  received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), code LowCardinality(String), detail String CODEC(ZSTD(1)),
  topic String CODEC(ZSTD(1)), payload_base64 String CODEC(ZSTD(1)), sender String CODEC(ZSTD(1)),
  log_id LowCardinality(String), lane LowCardinality(String), partition UInt16 CODEC(ZSTD(1)),
  log_offset UInt64 CODEC(Delta, ZSTD(1)), message_id String CODEC(ZSTD(1))
) ENGINE = MergeTree PARTITION BY toDate(received_at) ORDER BY (tenant, received_at, partition, log_offset)
TTL toDateTime(received_at) + INTERVAL ${LIMITS.deadLetterRetentionDays} DAY
SETTINGS ttl_only_drop_parts = 1, ${DURABLE}`;

const deadLettersQuery: LineQuery = ({
  table,
  owned,
}) => `SELECT tenant, device AS device_id, fromUnixTimestamp64Milli(ra, 'UTC') AS received_at,
  JSONExtractString(data, 'code') AS code, JSONExtractString(data, 'detail') AS detail,
  JSONExtractString(data, 'topic') AS topic, JSONExtractString(data, 'payloadBase64') AS payload_base64,
  JSONExtractString(data, 'sender') AS sender, lid AS log_id, 'telemetry' AS lane, pt AS partition, o AS log_offset,
  id AS message_id
FROM {database}.${table} WHERE k = 'deadLetter' AND ${owned}`;

/** All dead letters by tenant and day, also those over the number that is kept. */
const DEAD_LETTER_TOTALS = `CREATE TABLE IF NOT EXISTS {database}.dead_letter_totals (
  tenant LowCardinality(String), day Date, count UInt64
) ENGINE = SummingMergeTree PARTITION BY day ORDER BY (tenant, day)
TTL day + INTERVAL ${LIMITS.rawRetentionDays} DAY
SETTINGS ttl_only_drop_parts = 1, ${DURABLE}`;

const deadLetterTotalsQuery: LineQuery = ({
  table,
  owned,
}) => `SELECT tenant, toDate(fromUnixTimestamp64Milli(ra, 'UTC')) AS day, count() AS count
FROM {database}.${table} WHERE k IN ('deadLetter', 'deadLetterCounted') AND ${owned} GROUP BY tenant, day`;

function rollup(table: string, retentionDays: number): string {
  return `CREATE TABLE IF NOT EXISTS {database}.${table} (${ROLLUP_COLUMNS}
) ENGINE = AggregatingMergeTree PARTITION BY toDate(ts) ORDER BY (tenant, device_id, key, ts)
TTL ts + INTERVAL ${retentionDays} DAY
SETTINGS ttl_only_drop_parts = 1, ${DURABLE}`;
}

/** The tables that lines become rows of, and what each gets of them. */
export const LINE_QUERIES: Readonly<Record<string, LineQuery>> = {
  events: eventsQuery,
  dead_letters: deadLettersQuery,
  dead_letter_totals: deadLetterTotalsQuery,
  telemetry: telemetryQuery,
};

/** Raw measurements, their rollups, events and dead letters, and the one table that all of them are fed through. */
export const telemetryMigration: Migration = {
  name: '0001-telemetry',
  statements: [
    WRITER_EPOCHS,
    RECORDS_IN,
    TELEMETRY,
    rollup('telemetry_1m', LIMITS.rollupMinuteRetentionDays),
    rollup('telemetry_1h', LIMITS.rollupHourRetentionDays),
    EVENTS,
    DEAD_LETTERS,
    DEAD_LETTER_TOTALS,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.telemetry_1h_view TO {database}.telemetry_1h AS
${HOUR_FROM_MINUTE} ${ROLLUP_GROUP}`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.telemetry_1m_view TO {database}.telemetry_1m AS
${MINUTE_FROM_RAW} ${ROLLUP_GROUP}`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.events_view TO {database}.events AS
${eventsQuery(WHOLE_LANE_LINES)}`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.dead_letters_view
TO {database}.dead_letters AS
${deadLettersQuery(WHOLE_LANE_LINES)}`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.dead_letter_totals_view
TO {database}.dead_letter_totals AS
${deadLetterTotalsQuery(WHOLE_LANE_LINES)}`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.telemetry_view TO {database}.telemetry AS
${telemetryQuery(WHOLE_LANE_LINES)}`,
  ],
};
