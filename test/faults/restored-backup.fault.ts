import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { type DeviceLogin, Installation, PlatformClient } from '@breakwater/bench';
import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';

import { breakwater } from '../src/breakwater-command.ts';
import { openLoad } from '../src/open-load.ts';
import {
  CONDITION_TIMEOUT_MS,
  expectExactlyOnce,
  patchTwin,
  TEST_TIMEOUT_MS,
  twinOf,
  until,
} from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

/**
 * The steps of docs/operations/backup.md, on an installation that runs: what a copy has comes back, what came after it
 * is gone, and whoever could prove itself can again.
 */
const DEVICES = 5;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 3;

describe('an installation that is restored from its backups', () => {
  let installation: Installation;
  let redis: Redis;
  let kept: readonly DeviceLogin[] = [];

  const suite = suiteInstallation((started, opened) => {
    installation = started;
    redis = redisOf(started);
    opened.defer(() => redis.disconnect());
  });

  it(
    'is as the copy of its Redis has it, taken under load, and goes on without a row too many',
    async () => {
      const client = new PlatformClient(installation);
      kept = await client.registerDevices('kept', DEVICES);
      const [{ id } = { id: '' }] = kept;
      await patchTwin(installation, id, { desired: { round: 1 } });
      const copy = join(installation.dataDir, 'copy');
      await underLoad(await client.registerDevices('busy', DEVICES), () => copyAppendOnlyFiles(copy));
      await client.registerDevices('late', 1);
      await patchTwin(installation, id, { desired: { round: 2 } });

      redis.disconnect();
      expect(await installation.stop()).toBe(0);
      const folder = join(installation.dataDir, 'redis');
      await rm(folder, { recursive: true });
      await cp(copy, join(folder, 'appendonlydir'), { recursive: true });
      // The copy is so young that leases of workers which are gone have not run out in it.
      await until('the log to be renamed', async () => {
        const { code, stderr } = await breakwater(installation, 'log', 'restored');
        if (code !== 0) throw new Error(stderr);
        return true;
      });
      installation = await Installation.start({ dataDir: installation.dataDir });
      suite.replacedBy(installation);
      redis = redisOf(installation);

      expect(await twinOf(new PlatformClient(installation), id)).toMatchObject({ desired: { round: 1 } });
      expect(await statusOf('late-0')).toBe(404);
      await patchTwin(installation, id, { desired: { round: 3 } });
      await sendExactlyOnce(kept);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'lets its devices in again with the tokens that they have, once the registry is imported',
    async () => {
      const copy = join(installation.dataDir, 'registry.ndjson');
      expect(await breakwater(installation, 'registry', 'export', copy)).toMatchObject({ code: 0 });
      await redis.unlink(...(await redis.keys('bw:{registry}:*')));
      expect(await statusOf('kept-0')).toBe(404);
      const imported = await breakwater(installation, 'registry', 'import', copy);
      // The tenant, its key, the devices, and the one that `npm start` makes for the first steps.
      expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining(`${3 + 2 * DEVICES} written`) });
      expect(await statusOf('kept-0')).toBe(200);
      await openLoad(installation, kept);
    },
    TEST_TIMEOUT_MS,
  );

  async function underLoad(logins: readonly DeviceLogin[], meanwhile: () => Promise<void>): Promise<void> {
    const generator = await openLoad(installation, logins);
    const load = generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
    await until('the load to flow', () => generator.progress().sent > EVENTS_PER_SECOND);
    await meanwhile();
    await load;
    generator.close();
  }

  async function sendExactlyOnce(logins: readonly DeviceLogin[]): Promise<void> {
    const generator = await openLoad(installation, logins);
    await generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: 1 }]);
    expect(await generator.settle(CONDITION_TIMEOUT_MS)).toBe(0);
    await expectExactlyOnce(installation, generator, EVENTS_PER_SECOND);
  }

  /** A rewrite would take files away from under the copy. */
  async function copyAppendOnlyFiles(to: string): Promise<void> {
    const [, percentage] = (await redis.config('GET', 'auto-aof-rewrite-percentage')) as [string, string];
    await redis.config('SET', 'auto-aof-rewrite-percentage', '0');
    await until('no rewrite', async () => (await redis.info('persistence')).includes('aof_rewrite_in_progress:0'));
    await cp(join(installation.dataDir, 'redis', 'appendonlydir'), to, { recursive: true });
    await redis.config('SET', 'auto-aof-rewrite-percentage', percentage);
  }

  async function statusOf(device: string): Promise<number> {
    const headers = { authorization: `Bearer ${installation.key}` };
    return (await fetch(`${installation.url}/api/v1/devices/${device}`, { headers })).status;
  }
});

function redisOf({ dataDir }: Installation): Redis {
  return new Redis(`${dataDir}/redis/redis.sock`);
}
