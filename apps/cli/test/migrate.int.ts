import { connectClickHouse } from '@breakwater/adapter-clickhouse';
import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { platformSettings, readSettings } from '@breakwater/config';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { migrateCommand } from '../src/commands/migrate-command.ts';

const TIMEOUT_MS = 120_000;

describe('breakwater migrate', () => {
  let embedded: EmbeddedProcess;
  const lines: string[] = [];
  const terminal = { line: (text = '') => void lines.push(text), json: () => undefined };

  beforeAll(async () => {
    embedded = await EmbeddedProcess.start();
  }, TIMEOUT_MS);

  afterAll(() => embedded.remove());

  it('makes the schema in the database that the settings name, and a second time nothing', async () => {
    const env = { CLICKHOUSE_URL: embedded.url, CLICKHOUSE_DATABASE: 'elsewhere' };
    const settings = readSettings(platformSettings, env);
    expect(await migrateCommand(settings, terminal)).toBe(0);
    expect(lines.at(-1)).toMatch(/^ClickHouse: 0001-telemetry, /);
    expect(await migrateCommand(settings, terminal)).toBe(0);
    expect(lines.at(-1)).toBe('ClickHouse: nothing to do');

    const { client } = connectClickHouse({
      url: embedded.url,
      user: 'default',
      password: '',
      database: settings.clickhouseDatabase,
    });
    const tables = await client.query({ query: 'EXISTS TABLE elsewhere.telemetry', format: 'JSONEachRow' });
    expect(await tables.json()).toEqual([{ result: 1 }]);
    await client.close();
  });
});
