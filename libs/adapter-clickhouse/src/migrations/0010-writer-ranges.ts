import { LINE_QUERIES, RECORD_COLUMNS } from './0001-telemetry.ts';
import { INGEST_PLAN_COLUMNS_IN } from './0002-ingest-plans.ts';
import { commandHistoryQuery } from './0003-command-history.ts';
import { PLAN_TENANT_COLUMNS } from './0005-plan-tenants.ts';
import type { Migration } from './migration.ts';

/**
 * The newest epoch of each range of partitions. An epoch belongs to one scope alone, by the number that it begins at:
 * so who has one that is newest anywhere has the newest of its own range.
 */
const NEWEST_EPOCHS = `(SELECT groupArray(newest)
  FROM (SELECT max(w.epoch) AS newest FROM {database}.writer_epochs AS w GROUP BY w.scope))`;

/** Refuses, inside the insert, what has an epoch that is not the newest of its range. */
export function ownedBy(epoch: string): string {
  return `throwIf(NOT has(${NEWEST_EPOCHS}, ${epoch}), 'STALE_EPOCH') = 0`;
}

const RANGE_LINES = { table: 'range_records_in', owned: ownedBy('e') };
const LINE_VIEWS = { ...LINE_QUERIES, command_history: commandHistoryQuery };
const PLAN_COLUMNS = [INGEST_PLAN_COLUMNS_IN, ...PLAN_TENANT_COLUMNS.map((name) => `${name} String`)].join(', ');

/**
 * Several writers, each with its own range of partitions and its own epochs.
 *
 * They have entrances of their own into the same tables. The views behind the undivided lane's would have to look at
 * other epochs for them, and a view whose query is changed takes other tokens from the engine's next start on: what was
 * inserted before it and is repeated after it would be there twice. For the same reason these views stay as they are.
 */
export const writerRangesMigration: Migration = {
  name: '0010-writer-ranges',
  statements: [
    `CREATE TABLE IF NOT EXISTS {database}.${RANGE_LINES.table} (
${RECORD_COLUMNS}
) ENGINE = Null`,
    ...Object.entries(LINE_VIEWS).map(
      ([table, query]) => `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.range_${table}_view
TO {database}.${table} AS
${query(RANGE_LINES)}`,
    ),
    `CREATE TABLE IF NOT EXISTS {database}.range_plans_in (${PLAN_COLUMNS}) ENGINE = Null`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.range_plans_view TO {database}.ingest_plans AS
SELECT * FROM {database}.range_plans_in WHERE ${ownedBy('epoch')}`,
  ],
};
