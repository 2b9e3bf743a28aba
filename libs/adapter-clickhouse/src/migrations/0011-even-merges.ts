import type { Migration } from './migration.ts';

/**
 * How many times its largest part a merge must be, in bytes with the 5 MB that ClickHouse adds to each part. By the
 * engine's 5 the part that the last merge made is in the next one too, and again, until it has some 40 MB. By 45 a part
 * of more than a few hundred kilobytes waits for others of its size. The engine lowers the number as parts become
 * more, to 27 with 27 of them: so many equal parts are merged.
 */
const MERGE_BASE = 45;

/**
 * The engine leaves out of a merge, after it was chosen, the newest parts that have less than a hundredth of its bytes.
 * Behind a large part that is nearly all of them: it was merged with the next two rounds, and again after those.
 */
const LEAVES_SMALL_PARTS_OUT = 'merge_selector_enable_heuristic_to_remove_small_parts_at_right';

/**
 * Rows from which a merge of raw rows takes one column after the other, which needs less memory and more time. Below,
 * it takes whole rows: the first merge of a storm's rounds has some millions.
 */
const MERGE_BY_COLUMNS_FROM_ROWS = 8 * 1024 * 1024;

/** The tables that get a part per round. */
const TABLES = ['telemetry', 'telemetry_1m', 'telemetry_1h', 'events', 'ingest_plans'];

/** Rows are merged with others of their age: once in a storm's first minutes, twice in its first hour. */
export const evenMergesMigration: Migration = {
  name: '0011-even-merges',
  statements: [
    ...TABLES.map(
      (table) => `ALTER TABLE {database}.${table}
MODIFY SETTING merge_selector_base = ${MERGE_BASE}, ${LEAVES_SMALL_PARTS_OUT} = 0`,
    ),
    `ALTER TABLE {database}.telemetry
MODIFY SETTING vertical_merge_algorithm_min_rows_to_activate = ${MERGE_BY_COLUMNS_FROM_ROWS}`,
  ],
};
