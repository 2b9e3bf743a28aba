import type { Installation } from '@breakwater/bench';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';

import { breakwater } from '../src/breakwater-command.ts';
import { exactlyOnceUnderLoad } from '../src/exactly-once-under-load.ts';
import { killPart, pause, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 20;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 8;
const KILL_AFTER_MS = 2_000;

interface Verified {
  readonly good: boolean;
  readonly parts: readonly {
    readonly part: string;
    readonly findings: readonly { readonly kind: string; readonly detail: string }[];
    readonly skipped: readonly string[];
  }[];
}

describe('breakwater verify and ledger', () => {
  let installation: Installation;
  let redis: Redis;
  let clickhouse: ClickHouseClient;

  const verify = async (...args: readonly string[]): Promise<{ readonly code: number; readonly answer: Verified }> => {
    const { code, stdout, stderr } = await breakwater(installation, 'verify', '--json', ...args);
    expect(stderr).toBe('');
    return { code, answer: JSON.parse(stdout) as Verified };
  };
  const findings = async (part: string): Promise<readonly string[]> => {
    const { answer } = await verify('--only', part, '--wait-seconds', '0', '--twins', '1000');
    return answer.parts.flatMap((each) => each.findings.map(({ kind, detail }) => `${kind}: ${detail}`));
  };
  const command = (query: string) => clickhouse.command({ query, clickhouse_settings: { mutations_sync: '1' } });

  suiteInstallation(
    async (started, opened) => {
      installation = started;
      redis = opened.adopt(new Redis(`${installation.dataDir}/redis/redis.sock`), (each) => each.disconnect());
      const port = (await installation.parts()).get('embedded-clickhouse')?.ports['clickhouse'];
      const url = `http://127.0.0.1:${String(port)}`;
      clickhouse = opened.adopt(createClient({ url, database: 'breakwater' }), (each) => each.close());
    },
    { env: { LEDGER_CHECK_INTERVAL_MS: '200' } },
  );

  it(
    'agree after a load in which worker and writer were killed',
    async () => {
      await exactlyOnceUnderLoad(installation, {
        devices: { prefix: 'verified', count: DEVICES },
        eventsPerSecond: EVENTS_PER_SECOND,
        seconds: LOAD_SECONDS,
        meanwhile: async () => {
          await pause(KILL_AFTER_MS);
          await killPart(installation, 'twin-worker-1');
          await killPart(installation, 'telemetry-writer');
          // In the middle of it, while records are on their way.
          expect(await verify('--wait-seconds', '1')).toMatchObject({ code: 0, answer: { good: true } });
        },
      });
      expect(await verify('--wait-seconds', '1')).toMatchObject({ code: 0, answer: { good: true } });
      const ledger = await breakwater(installation, 'ledger');
      expect(ledger).toMatchObject({ code: 0, stdout: expect.stringContaining('It balances') });
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'name the offset of a record whose rows are gone',
    async () => {
      const rows = await clickhouse.query({
        query: 'SELECT partition, log_offset FROM telemetry ORDER BY log_offset DESC, partition LIMIT 1',
        format: 'JSONEachRow',
      });
      const [row] = await rows.json<{ partition: number; log_offset: string }>();
      await command(`ALTER TABLE telemetry DELETE
        WHERE partition = ${row?.partition} AND log_offset = ${row?.log_offset}`);
      const found = await findings('rows');
      expect(found).toEqual([expect.stringMatching(/^rowsMissing: .* 1 records have no rows: offset \d+$/)]);
      expect(found[0]).toContain(`partition ${row?.partition}`);
      expect(found[0]).toMatch(new RegExp(`offset ${row?.log_offset}$`));
      expect((await findings('rollups')).length).toBeGreaterThan(0);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'name a row that is there twice, and a rollup that is wrong',
    async () => {
      await command('INSERT INTO telemetry SELECT * FROM telemetry ORDER BY partition, log_offset, row_index LIMIT 1');
      expect(await findings('rows')).toContainEqual(
        expect.stringMatching(/^rowsRepeated: partition \d+: 1 rows are repeated: offset \d+ row 0 \(2 times\)$/),
      );
      await command(`INSERT INTO telemetry_1h (tenant, device_id, key, ts, count, sum)
        VALUES ('default', 'planted', 'temp', now(), 0, 5)`);
      expect(await findings('rollups')).toContainEqual(
        expect.stringMatching(/^rollupDiffers: telemetry_1h, .* default\/planted, key temp: 0 raw values .* sum 5$/),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'name a twin that was changed behind the platform',
    async () => {
      const places = (await redis.keys('bw:{*}:twins')).sort();
      const found = await Promise.all(
        places.map(async (place) => (await redis.hkeys(place)).map((key) => [place, key] as const)),
      );
      const [place, key] = found.flat().find(([, name]) => name.startsWith('default/verified-')) ?? ['', ''];
      const stored = (await redis.hget(place, key)) ?? '';
      // One digit of one measurement.
      await redis.hset(
        place,
        key,
        stored.replace(/(\d)([^\d]*)$/, (_all, digit, rest) => `${9 - Number(digit)}${rest}`),
      );
      expect(await findings('twins')).toEqual([expect.stringContaining(`twinDiffers: ${key}, after`)]);
      await redis.hset(place, key, stored);
      expect(await findings('twins')).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'find a count that is wrong: in the command, the metric, the readiness and the exit code',
    async () => {
      const shard = 'bw:{3}:shard';
      await redis.hincrby(shard, 'ledger:telemetry:applied', -1);
      expect((await findings('ledger'))[0]).toMatch(/^outcomes: twins, telemetry of partition 3: /);
      await until('the check to find it', async () => (await breakwater(installation, 'ledger')).code === 1);
      const { stdout } = await breakwater(installation, 'ledger');
      expect(stdout).toContain('IT DOES NOT BALANCE');
      const metrics = await (await fetch(`${installation.url}/metrics`)).text();
      expect(metrics).toMatch(/breakwater_ledger_imbalance\{[^}]*consumer="twins"[^}]*partition="3"[^}]*\} 1\b/);
      const ready = await fetch(`${installation.url}/health/ready`);
      expect(ready.status).toBe(200);
      expect(await ready.json()).toMatchObject({ degraded: [expect.objectContaining({ part: 'ledger' })] });
      await redis.hincrby(shard, 'ledger:telemetry:applied', 1);
      await until('it to be over', async () => (await breakwater(installation, 'ledger')).code === 0);
    },
    TEST_TIMEOUT_MS,
  );

  it('say what to do where nothing runs', async () => {
    const { code, stderr } = await breakwater({ dataDir: '/nowhere/at-all', key: '' }, 'ledger');
    expect(code).toBe(2);
    expect(stderr).toContain('INSTALLATION_NOT_RUNNING: nothing runs on the data folder /nowhere/at-all');
  });
});
