import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { Installation, LoadGenerator, PlatformClient } from '@breakwater/bench';
import { expect, it, describe } from '@jest/globals';
import { Redis } from 'ioredis';

import { CONDITION_TIMEOUT_MS, expectExactlyOnce, patchTwin, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 40;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 5;
const PARTITIONS = 4;
/** Everything but the log of these partitions that one commit of a shard writes. */
const LOST = ['shard', 'twins', 'twins:documents', 'outbox', 'outbox:order', 'timers', 'timers:generations'];
const ROUND = ['twins:changed', 'twins:in-round', 'twins:round'];
const BREAKWATER = fileURLToPath(new URL('../../apps/cli/bin/breakwater.mjs', import.meta.url));
const IS_SOON = {
  PARTITIONS: String(PARTITIONS),
  SNAPSHOT_INTERVAL_SECONDS: '1',
  WRITER_TRIM_KEEP_RECORDS: '0',
  GATEWAY_RESEND_TAIL_RECORDS: '0',
  WRITER_TRIM_INTERVAL_MS: '200',
};

describe('an installation whose twin store is lost', () => {
  let installation: Installation;
  let redis: Redis;

  suiteInstallation(
    (started) => {
      installation = started;
      redis = new Redis(`${installation.dataDir}/redis/redis.sock`);
    },
    { end: () => redis.disconnect(), env: IS_SOON },
  );

  it(
    'waits for `breakwater rebuild`, and has every twin, its history and its ledger afterwards',
    async () => {
      const client = new PlatformClient(installation);
      const logins = await client.registerDevices('lost', DEVICES);
      const generator = new LoadGenerator({ logins, host: '127.0.0.1', port: installation.mqttPort });
      await generator.connect();
      await generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
      expect(await generator.settle(CONDITION_TIMEOUT_MS)).toBe(0);
      for (const { id } of logins) await patchTwin(installation, id, { desired: { round: 1 } });
      await expectExactlyOnce(installation, generator, EVENTS_PER_SECOND * LOAD_SECONDS);
      await until('the log to forget what all have', async () => {
        for (let partition = 0; partition < PARTITIONS; partition += 1) {
          if (Number(await redis.hget(`bw:{${partition}}:log:telemetry`, 'first')) === 0) return false;
        }
        return true;
      });
      const before = await twins(logins.map(({ id }) => id));

      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        await redis.unlink(...[...LOST, ...ROUND].map((name) => `bw:{${partition}}:${name}`));
      }
      await until('the workers to notice', async () => (await rebuild()).stdout.includes('twins of 4 partitions'));
      await until('the twins to be there', async () => {
        expect(await twins([...before.keys()])).toEqual(before);
        return true;
      });
      for (const { id } of logins) await patchTwin(installation, id, { desired: { round: 2 } });
      const [device] = before.keys();
      await until('the history to have it', async () => {
        const { items } = await request<History>(`/devices/${String(device)}/twin/history`);
        return items[0]?.twin.desired['round'] === 2 && items.some(({ twin }) => twin.desired['round'] === 1);
      });
      await until('the ledger to balance', async () => {
        const { code, stdout } = await breakwater('ledger');
        return code === 0 && stdout.includes('It balances');
      });
      generator.close();
    },
    TEST_TIMEOUT_MS,
  );

  interface History {
    readonly items: readonly { readonly twin: { readonly desired: Readonly<Record<string, unknown>> } }[];
  }

  async function request<Body>(path: string): Promise<Body> {
    const response = await fetch(`${installation.url}/api/v1${path}`, {
      headers: { authorization: `Bearer ${installation.key}` },
    });
    expect(response.status).toBe(200);
    return (await response.json()) as Body;
  }

  async function twins(devices: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const found = new Map<string, unknown>();
    for (const device of devices) found.set(device, await request(`/devices/${device}/twin`));
    return found;
  }

  function rebuild(): Promise<{ readonly code: number; readonly stdout: string }> {
    return breakwater('rebuild');
  }

  function breakwater(...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string }> {
    const { dataDir, key } = installation;
    const env = { PATH: process.env['PATH'], DATA_DIR: dataDir, ADMIN_API_KEY: key, PARTITIONS: '4', NO_COLOR: '1' };
    return new Promise((resolve) => {
      execFile(process.execPath, [BREAKWATER, ...args], { env }, (error, stdout) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout });
      });
    });
  }
});
