import { createHash } from 'node:crypto';

import { PlatformError } from '@breakwater/twin-runtime';
import { Umzug, type UmzugStorage } from 'umzug';

import { abortable, type ClickHouse } from '../connect-clickhouse.ts';
import { telemetryMigration } from './0001-telemetry.ts';
import { ingestPlansMigration } from './0002-ingest-plans.ts';
import { commandHistoryMigration } from './0003-command-history.ts';
import { fewerMergesMigration } from './0004-fewer-merges.ts';
import { planTenantsMigration } from './0005-plan-tenants.ts';
import { twinHistoryMigration } from './0006-twin-history.ts';
import { twinSnapshotsMigration } from './0007-twin-snapshots.ts';
import { changeFeedsMigration } from './0009-change-feeds.ts';
import { writerRangesMigration } from './0010-writer-ranges.ts';
import { evenMergesMigration } from './0011-even-merges.ts';
import type { Migration } from './migration.ts';

const MIGRATIONS: readonly Migration[] = [
  telemetryMigration,
  ingestPlansMigration,
  commandHistoryMigration,
  fewerMergesMigration,
  planTenantsMigration,
  twinHistoryMigration,
  twinSnapshotsMigration,
  changeFeedsMigration,
  writerRangesMigration,
  evenMergesMigration,
];

const STORAGE_TABLE = `CREATE TABLE IF NOT EXISTS {database}.schema_migrations (
  name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = MergeTree ORDER BY name SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`;

/**
 * Brings the schema to what this build needs and answers the names of the steps that were run. Steps are never changed
 * once released: one that was applied with other statements stops the start.
 */
export async function migrateClickHouse(clickhouse: ClickHouse, migrations = MIGRATIONS): Promise<readonly string[]> {
  const { client, database } = clickhouse;
  const run = (statement: string) =>
    client.command({ query: statement.replaceAll('{database}', database), ...abortable(clickhouse) });
  await run('CREATE DATABASE IF NOT EXISTS {database}');
  await run(STORAGE_TABLE);
  const storage = new MigrationStorage(clickhouse, migrations);
  await storage.verify();
  const umzug = new Umzug({
    migrations: migrations.map((migration) => ({
      name: migration.name,
      up: async () => {
        for (const statement of migration.statements) await run(statement);
      },
    })),
    storage,
    logger: undefined,
  });
  const applied = await umzug.up();
  return applied.map(({ name }) => name);
}

class MigrationStorage implements UmzugStorage {
  readonly #clickhouse: ClickHouse;
  readonly #checksums: ReadonlyMap<string, string>;

  constructor(clickhouse: ClickHouse, migrations: readonly Migration[]) {
    this.#clickhouse = clickhouse;
    this.#checksums = new Map(migrations.map((migration) => [migration.name, checksumOf(migration)]));
  }

  async verify(): Promise<void> {
    for (const { name, checksum } of await this.#rows()) {
      const wanted = this.#checksums.get(name);
      if (wanted === checksum) continue;
      throw new PlatformError(
        'SCHEMA_MISMATCH',
        wanted === undefined
          ? `the database has the step ${name}, which this build does not know: it belongs to a newer build`
          : `the step ${name} was applied with other statements than this build has`,
      );
    }
  }

  async executed(): Promise<string[]> {
    return (await this.#rows()).map(({ name }) => name);
  }

  async logMigration({ name }: { name: string }): Promise<void> {
    await this.#clickhouse.client.insert({
      table: `${this.#clickhouse.database}.schema_migrations`,
      values: [{ name, checksum: this.#checksums.get(name) ?? '' }],
      format: 'JSONEachRow',
      columns: ['name', 'checksum'],
    });
  }

  unlogMigration(): Promise<void> {
    return Promise.reject(new Error('the schema only goes forward'));
  }

  async #rows(): Promise<readonly { readonly name: string; readonly checksum: string }[]> {
    const result = await this.#clickhouse.client.query({
      query: `SELECT DISTINCT name, checksum FROM ${this.#clickhouse.database}.schema_migrations ORDER BY name`,
      format: 'JSONEachRow',
    });
    return result.json();
  }
}

function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.statements.join(';\n')).digest('hex');
}
