import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { Installation, LoadGenerator, PlatformClient } from '@breakwater/bench';
import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';

import { breakwater } from '../src/breakwater-command.ts';
import { CONDITION_TIMEOUT_MS, expectExactlyOnce, storedRows, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

/**
 * The steps of docs/operations/backup.md for a ClickHouse that is older than the log beside it: what the log still has
 * is stored again, once; what it has forgotten stops the writer, until somebody says that it is lost.
 */
const DEVICES = 5;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 2;
const EVENTS = EVENTS_PER_SECOND * LOAD_SECONDS;
/** The log forgets at once what everybody has, but for the last records of each partition. */
const FORGETFUL = { WRITER_TRIM_KEEP_RECORDS: '10', WRITER_TRIM_INTERVAL_MS: '100', SNAPSHOT_INTERVAL_SECONDS: '1' };
const RECORDS_IN_NO_LOG = /^(\d+) records are in no log/m;

describe('a ClickHouse that is restored from a copy', () => {
  let installation: Installation;
  const suite = suiteInstallation((started) => {
    installation = started;
  });

  it(
    'is filled from the log, each record once, and goes on behind what the log has forgotten when it is told to',
    async () => {
      const before = await load('before');
      await restarted(copyClickHouse);
      const after = await load('after');
      await until('the log to forget', async () => (await keptRecords()) < EVENTS / 2);
      await restarted(restoreClickHouse);
      const told = await breakwater(installation, 'rows', 'skip');
      expect(told.code).toBe(1);
      const lost = Number(RECORDS_IN_NO_LOG.exec(told.stdout)?.[1]);
      expect(lost).toBeGreaterThan(0);
      expect(lost).toBeLessThan(EVENTS);
      expect(await breakwater(installation, 'rows', 'skip', '--accept-loss')).toMatchObject({ code: 0 });
      // The writer was not restarted for it.
      await until('what the log has to be stored again', async () => {
        const { lost: missing, duplicated } = await storedRows(installation, after.acknowledged());
        expect(duplicated).toBe(0);
        return missing === lost;
      });
      expect(await storedRows(installation, before.acknowledged())).toMatchObject({ lost: 0, duplicated: 0 });
      expect(await breakwater(installation, 'verify', '--only', 'rows')).toMatchObject({ code: 0 });
      const ledger = await breakwater(installation, 'ledger');
      expect(ledger).toMatchObject({ code: 0, stdout: expect.stringContaining('(skipped)') });
    },
    TEST_TIMEOUT_MS,
  );

  async function load(prefix: string): Promise<LoadGenerator> {
    const logins = await new PlatformClient(installation).registerDevices(prefix, DEVICES);
    const generator = new LoadGenerator({ logins, host: '127.0.0.1', port: installation.mqttPort });
    await generator.connect();
    await generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
    expect(await generator.settle(CONDITION_TIMEOUT_MS)).toBe(0);
    await expectExactlyOnce(installation, generator, EVENTS);
    generator.close();
    return generator;
  }

  async function restarted(beforehand: () => Promise<void>): Promise<void> {
    expect(await installation.stop()).toBe(0);
    await beforehand();
    installation = await Installation.start({ dataDir: installation.dataDir, env: FORGETFUL });
    suite.replacedBy(installation);
  }

  function copyClickHouse(): Promise<void> {
    return cp(folder('clickhouse'), folder('copy'), { recursive: true });
  }

  async function restoreClickHouse(): Promise<void> {
    await rm(folder('clickhouse'), { recursive: true });
    await cp(folder('copy'), folder('clickhouse'), { recursive: true });
  }

  function folder(name: string): string {
    return join(installation.dataDir, name);
  }

  /** Of the telemetry lane, over all partitions. */
  async function keptRecords(): Promise<number> {
    const redis = new Redis(folder('redis/redis.sock'));
    try {
      const lanes = await redis.keys('bw:{*}:log:telemetry');
      const bounds = await Promise.all(lanes.map((lane) => redis.hmget(lane, 'first', 'end')));
      return bounds.reduce((sum, [first, end]) => sum + Number(end ?? 0) - Number(first ?? 0), 0);
    } finally {
      redis.disconnect();
    }
  }
});
