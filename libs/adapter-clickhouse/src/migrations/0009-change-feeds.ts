import { DURABLE } from './0001-telemetry.ts';
import type { Migration } from './migration.ts';

/** How far each feed is stored: a feed that begins anew counts from the start, under an id of its own. */
const TWIN_FEED_CURSORS = `CREATE TABLE IF NOT EXISTS {database}.twin_feed_cursors (
  feed_id LowCardinality(String), partition UInt16, feed_cursor SimpleAggregateFunction(max, UInt64)
) ENGINE = AggregatingMergeTree ORDER BY (feed_id, partition) SETTINGS ${DURABLE}`;

const TWIN_FEED_CURSORS_VIEW = `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.twin_feed_cursors_view
TO {database}.twin_feed_cursors AS
SELECT feed_id, partition, max(feed_cursor) AS feed_cursor FROM {database}.twin_changes GROUP BY feed_id, partition`;

/**
 * Until now there was one feed, in Redis. A writer of the build before goes on storing changes of it meanwhile; the
 * table that it has its cursors from stays, for as long as somebody may go back to that build.
 */
export const changeFeedsMigration: Migration = {
  name: '0009-change-feeds',
  statements: [
    "ALTER TABLE {database}.twin_changes ADD COLUMN IF NOT EXISTS feed_id LowCardinality(String) DEFAULT 'redis'",
    TWIN_FEED_CURSORS,
    TWIN_FEED_CURSORS_VIEW,
    `INSERT INTO {database}.twin_feed_cursors
SELECT 'redis', partition, max(feed_cursor) FROM {database}.twin_change_cursors GROUP BY partition`,
    'DROP VIEW IF EXISTS {database}.twin_change_cursors_view',
  ],
};
