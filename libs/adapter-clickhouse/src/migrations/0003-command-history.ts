import { LIMITS } from '@breakwater/wire';

import { DURABLE, type LineQuery, OWNED } from './0001-telemetry.ts';
import type { Migration } from './migration.ts';

/**
 * One row per change of a command, each with all that came before it. Ordered like telemetry, so that the two join by
 * device and time. A change may have been told twice: `change_id` is the same then.
 */
const COMMAND_HISTORY = `CREATE TABLE IF NOT EXISTS {database}.command_history (
  tenant LowCardinality(String), device_id String CODEC(ZSTD(1)), command_id String CODEC(ZSTD(1)),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), method LowCardinality(String), state LowCardinality(String),
  ordered_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), deadline DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  attempts UInt32 CODEC(ZSTD(1)), command String CODEC(ZSTD(1)), change_id String CODEC(ZSTD(1)),
  log_id LowCardinality(String), lane LowCardinality(String), partition UInt16 CODEC(ZSTD(1)),
  log_offset UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = MergeTree PARTITION BY toYYYYMM(ts) ORDER BY (tenant, device_id, ts, log_offset)
TTL toDateTime(ts) + INTERVAL ${LIMITS.commandRetentionDays} DAY
SETTINGS ttl_only_drop_parts = 1, ${DURABLE}`;

/** What the view makes of lines. */
export const commandHistoryQuery: LineQuery = ({
  table,
  owned,
}) => `SELECT tenant, device AS device_id, JSONExtractString(command, 'commandId') AS command_id,
  fromUnixTimestamp64Milli(ra, 'UTC') AS ts, JSONExtractString(command, 'method') AS method,
  JSONExtractString(command, 'state') AS state,
  fromUnixTimestamp64Milli(JSONExtractInt(command, 'orderedAtMs'), 'UTC') AS ordered_at,
  fromUnixTimestamp64Milli(JSONExtractInt(command, 'deadlineMs'), 'UTC') AS deadline,
  JSONExtractUInt(command, 'dispatches') AS attempts, JSONExtractRaw(record.data, 'command') AS command,
  id AS change_id, lid AS log_id, 'telemetry' AS lane, pt AS partition, o AS log_offset
FROM {database}.${table} AS record WHERE k = 'commandRecorded' AND ${owned}`;

/** What became of commands. */
export const commandHistoryMigration: Migration = {
  name: '0003-command-history',
  statements: [
    COMMAND_HISTORY,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.command_history_view
TO {database}.command_history AS
${commandHistoryQuery({ table: 'records_in', owned: OWNED })}`,
  ],
};
