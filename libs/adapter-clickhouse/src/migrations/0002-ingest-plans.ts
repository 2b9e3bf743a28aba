import { DEDUPLICATION_WINDOW_BLOCKS } from './0001-telemetry.ts';
import type { Migration } from './migration.ts';

/** Plans per partition of `ingest_plans`, which is also the step in which old ones are dropped. */
export const PLANS_PER_PARTITION = 100_000;

const COLUMNS = `
  scope LowCardinality(String), number UInt64, state Enum8('open' = 1, 'closed' = 2), epoch UInt64, owner String,
  log_id LowCardinality(String), block_mark UInt64,
  partitions Array(UInt16) CODEC(ZSTD(1)), from_offsets Array(UInt64) CODEC(ZSTD(1)),
  to_offsets Array(UInt64) CODEC(ZSTD(1)), stored Array(UInt64) CODEC(ZSTD(1)),
  nothing_to_store Array(UInt64) CODEC(ZSTD(1)), dead Array(UInt64) CODEC(ZSTD(1)),
  days Array(Int32), day_lines Array(UInt32), records UInt64, digest String,
  kept_dead_letters String CODEC(ZSTD(1)), settings String CODEC(ZSTD(1)),
  at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')`;
/** What a row of a plan is read as. */
export const INGEST_PLAN_COLUMNS_IN = COLUMNS.replaceAll(' CODEC(ZSTD(1))', '');
const NEWEST_EPOCH = "SELECT max(w.epoch) FROM {database}.writer_epochs AS w WHERE w.scope = 'telemetry'";

/** What the writer is about to insert, and with that its position and its side of the ledger. */
export const ingestPlansMigration: Migration = {
  name: '0002-ingest-plans',
  statements: [
    `CREATE TABLE IF NOT EXISTS {database}.ingest_plans (${COLUMNS}
) ENGINE = MergeTree PARTITION BY (scope, intDiv(number, ${PLANS_PER_PARTITION})) ORDER BY (scope, number, state)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
  non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW_BLOCKS}`,
    `CREATE TABLE IF NOT EXISTS {database}.ingest_plans_in (${INGEST_PLAN_COLUMNS_IN}) ENGINE = Null`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.ingest_plans_view TO {database}.ingest_plans AS
SELECT * FROM {database}.ingest_plans_in
WHERE throwIf(epoch != (${NEWEST_EPOCH}), 'STALE_EPOCH') = 0`,
  ],
};
