import { LIMITS } from '@breakwater/wire';

import { DURABLE } from './0001-telemetry.ts';
import type { Migration } from './migration.ts';

/**
 * Every change of every twin, each with the whole document after it. A change that was told twice is the same row
 * twice: its key is the life of the device and the number of the change in it, so merges leave one, and readers take
 * one.
 */
const TWIN_CHANGES = `CREATE TABLE IF NOT EXISTS {database}.twin_changes (
  tenant LowCardinality(String), device_id String CODEC(ZSTD(1)),
  incarnation UInt32 CODEC(ZSTD(1)), change_number UInt64 CODEC(Delta, ZSTD(1)),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), sections Array(LowCardinality(String)),
  version UInt64 CODEC(ZSTD(1)), reported_version UInt64 CODEC(ZSTD(1)), document String CODEC(ZSTD(3)),
  log_id LowCardinality(String), lane LowCardinality(String), partition UInt16 CODEC(ZSTD(1)),
  log_offset UInt64 CODEC(Delta, ZSTD(1)), feed_cursor UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(ts) ORDER BY (tenant, device_id, incarnation, change_number)
TTL toDateTime(ts) + INTERVAL ${LIMITS.twinHistoryRetentionDays} DAY
SETTINGS ttl_only_drop_parts = 1, ${DURABLE}`;

/**
 * The newest document of each twin, for ever; a deleted device leaves its tombstone, so that no late row brings it
 * back. \`age\` orders documents by the life of the device first: a later life begins to count from the start.
 */
const TWIN_DOCUMENTS = `CREATE TABLE IF NOT EXISTS {database}.twin_documents (
  tenant LowCardinality(String), device_id String CODEC(ZSTD(1)), age UInt64 CODEC(ZSTD(1)),
  incarnation UInt32 CODEC(ZSTD(1)), change_number UInt64 CODEC(ZSTD(1)),
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), deleted Bool CODEC(ZSTD(1)),
  version UInt64 CODEC(ZSTD(1)), reported_version UInt64 CODEC(ZSTD(1)), document String CODEC(ZSTD(3))
) ENGINE = ReplacingMergeTree(age) ORDER BY (tenant, device_id)
SETTINGS ${DURABLE}`;

const TWIN_DOCUMENTS_VIEW = `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.twin_documents_view
TO {database}.twin_documents AS
SELECT tenant, device_id, bitOr(bitShiftLeft(toUInt64(incarnation), 40), change_number) AS age, incarnation,
  change_number, ts, JSONHas(document, 'deletedAt') AS deleted, version, reported_version, document
FROM {database}.twin_changes`;

/** How far the feed of each partition is stored. */
const TWIN_CHANGE_CURSORS = `CREATE TABLE IF NOT EXISTS {database}.twin_change_cursors (
  partition UInt16, feed_cursor SimpleAggregateFunction(max, UInt64)
) ENGINE = AggregatingMergeTree ORDER BY partition SETTINGS ${DURABLE}`;

const TWIN_CHANGE_CURSORS_VIEW = `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.twin_change_cursors_view
TO {database}.twin_change_cursors AS
SELECT partition, max(feed_cursor) AS feed_cursor FROM {database}.twin_changes GROUP BY partition`;

/** What twins were, and what they are. */
export const twinHistoryMigration: Migration = {
  name: '0006-twin-history',
  statements: [TWIN_CHANGES, TWIN_DOCUMENTS, TWIN_CHANGE_CURSORS, TWIN_DOCUMENTS_VIEW, TWIN_CHANGE_CURSORS_VIEW],
};
