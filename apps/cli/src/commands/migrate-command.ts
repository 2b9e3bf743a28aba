import { connectClickHouse, migrateClickHouse } from '@breakwater/adapter-clickhouse';
import type { platformSettings, SettingsOf } from '@breakwater/config';

import type { Terminal } from '../terminal.ts';

/**
 * The telemetry-writer does the same when it starts. Apart from it, an upgrade can do it first and once, and stop there
 * if it fails, while every process of the former version still runs.
 */
export async function migrateCommand(
  settings: SettingsOf<typeof platformSettings>,
  terminal: Terminal,
): Promise<number> {
  const clickhouse = connectClickHouse({
    url: settings.clickhouseUrl,
    user: settings.clickhouseUser,
    password: settings.clickhousePassword,
    database: settings.clickhouseDatabase,
  });
  try {
    const applied = await migrateClickHouse(clickhouse);
    terminal.line(applied.length === 0 ? 'ClickHouse: nothing to do' : `ClickHouse: ${applied.join(', ')}`);
    return 0;
  } finally {
    await clickhouse.client.close();
  }
}
