import type { Migration } from './migration.ts';

/**
 * Parts that a merge takes at least. ClickHouse adds 5 MB to each part when it weighs a merge, and a round's part has
 * some tens of KB: by that measure it merges whenever five are new, and the day's large part with them each time.
 */
const PARTS_PER_MERGE_MIN = 24;

/** The tables that get a part per round. */
const TABLES = ['telemetry', 'telemetry_1m', 'telemetry_1h', 'events', 'ingest_plans'];

/** Rows of a storm are merged two or three times instead of ten. */
export const fewerMergesMigration: Migration = {
  name: '0004-fewer-merges',
  statements: TABLES.map(
    (table) => `ALTER TABLE {database}.${table} MODIFY SETTING min_parts_to_merge_at_once = ${PARTS_PER_MERGE_MIN}`,
  ),
};
