import type { Migration } from './migration.ts';

export const PLAN_TENANT_COLUMNS = ['tenants', 'tenant_totals'];
const NEWEST_EPOCH = "SELECT max(w.epoch) FROM {database}.writer_epochs AS w WHERE w.scope = 'telemetry'";

/** The writer's side of the ledger by tenant. A writer of the build before goes on writing plans meanwhile. */
export const planTenantsMigration: Migration = {
  name: '0005-plan-tenants',
  statements: [
    ...PLAN_TENANT_COLUMNS.map(
      (name) => `ALTER TABLE {database}.ingest_plans ADD COLUMN IF NOT EXISTS ${name} String CODEC(ZSTD(1))`,
    ),
    ...PLAN_TENANT_COLUMNS.map(
      (name) => `ALTER TABLE {database}.ingest_plans_in ADD COLUMN IF NOT EXISTS ${name} String`,
    ),
    // The view keeps the columns that it was made with.
    `ALTER TABLE {database}.ingest_plans_view MODIFY QUERY
SELECT * FROM {database}.ingest_plans_in
WHERE throwIf(epoch != (${NEWEST_EPOCH}), 'STALE_EPOCH') = 0`,
  ],
};
