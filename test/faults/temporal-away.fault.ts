import { execFileSync } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';

import { describe, expect, it } from '@jest/globals';
import { Installation, PlatformClient } from '@breakwater/bench';

import { afterThisTest } from '../src/after-this-test.ts';
import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { exactlyOnceUnderLoad } from '../src/exactly-once-under-load.ts';
import { killPart, patchTwin, pause, pidOf, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { stopPart } from '../src/stop-part.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 20;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 10;
const FAULT_AFTER_MS = 1_000;
const SEARCH_ATTRIBUTES = ['TenantId', 'DeviceId', 'CommandMethod', 'CommandState'];

interface ReadyAnswer {
  readonly status: string;
  readonly degraded: readonly { readonly part: string; readonly detail: string }[];
}

const program = temporalProgram();

async function readyAt(url: string): Promise<ReadyAnswer & { readonly code: number }> {
  const response = await fetch(`${url}/health/ready`);
  return { code: response.status, ...((await response.json()) as ReadyAnswer) };
}

/** What the API and the gateway say of Temporal; undefined is nothing bad. Neither may be less ready for it. */
async function troubles(installation: Installation): Promise<readonly (string | undefined)[]> {
  const gatewayPort = (await installation.parts()).get('gateway')?.ports['metrics'];
  const answers = await Promise.all([readyAt(installation.url), readyAt(`http://127.0.0.1:${String(gatewayPort)}`)]);
  expect(answers.map(({ code, status }) => ({ code, status }))).toEqual(Array(2).fill({ code: 200, status: 'ready' }));
  return answers.map(({ degraded }) => degraded.find(({ part }) => part === 'temporal')?.detail);
}

async function bothSay(installation: Installation, matches: (trouble: string | undefined) => boolean): Promise<void> {
  await until('API and gateway to say so', async () => (await troubles(installation)).every(matches));
}

/** Sends events under load while something happens, and proves that each was applied and stored once. */
function eventsFlow(prefix: string, installation: Installation, happens: () => Promise<void>): Promise<void> {
  return exactlyOnceUnderLoad(installation, {
    devices: { prefix, count: DEVICES },
    eventsPerSecond: EVENTS_PER_SECOND,
    seconds: LOAD_SECONDS,
    meanwhile: async () => {
      await pause(FAULT_AFTER_MS);
      await happens();
      expect((await patchTwin(installation, `${prefix}-0`, { desired: { interval: 5 } })).status).toBe(200);
    },
  });
}

(program === undefined ? describe.skip : describe)('with Temporal (needs its CLI)', () => {
  let installation: Installation;

  const suite = suiteInstallation((started) => {
    installation = started;
  });

  it(
    'its pages answer, and commands can be searched for',
    async () => {
      // Its ports are written down when it serves, and that is when its search attributes are there.
      const uiPort = async (): Promise<number | undefined> => (await installation.parts()).get('temporal')?.ports['ui'];
      await until('Temporal to serve', async () => (await uiPort()) !== undefined);
      await bothSay(installation, (trouble) => trouble === undefined);
      const ports: Readonly<Record<string, number>> = (await installation.parts()).get('temporal')?.ports ?? {};
      expect((await fetch(`http://127.0.0.1:${String(ports['ui'])}/`)).status).toBe(200);
      const where = ['--address', `127.0.0.1:${String(ports['grpc'])}`, '--namespace', 'breakwater'];
      const list = ['operator', 'search-attribute', 'list', ...where];
      const attributes = execFileSync(program ?? '', list, { encoding: 'utf8' });
      for (const name of SEARCH_ATTRIBUTES) expect(attributes).toMatch(new RegExp(`\\b${name}\\s+Keyword`));
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'events flow while it hangs and when it is killed, and it comes back',
    async () => {
      const before = await pidOf(installation, 'temporal');
      await eventsFlow('away', installation, async () => {
        await stopPart(installation, 'temporal');
        await bothSay(installation, (trouble) => trouble?.startsWith('no answer') === true);
        await killPart(installation, 'temporal');
      });
      await bothSay(installation, (trouble) => trouble === undefined);
      expect(await pidOf(installation, 'temporal')).not.toBe(before);
      expect(await installation.console()).toContain('temporal: ended (SIGKILL), starts again in');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'commands that are newer than the copy it was restored from go on, and it knows them again',
    async () => {
      const [login] = await new PlatformClient(installation).registerDevices('restored', 1);
      const token = login?.token ?? '';
      await new CommandSteps(installation).ready();
      await copyTemporal();
      await new CommandSteps(installation).orderSurely('restored-0', { commandId: 'later', method: 'reboot' });
      expect(await installation.stop()).toBe(0);
      await restoreTemporal();
      installation = await Installation.start({ dataDir: installation.dataDir });
      suite.replacedBy(installation);

      const steps = new CommandSteps(installation);
      await steps.ready();
      // Its pages come up a moment after it does.
      await until(
        'Temporal to say that it knows of none',
        async () => (await steps.workflows('DeviceId="restored-0"')).length === 0,
      );
      expect((await steps.command('later')).state).toBe('QUEUED');
      const device = steps.knownDevice({ token, clientId: 'restored-0', protocolVersion: 5 }).hold('puback').start();
      await until('Temporal to know the command', async () =>
        (await steps.workflows('DeviceId="restored-0" AND ExecutionStatus="Running"')).includes(
          'cmd/default/restored-0/later',
        ),
      );
      device.release();
      await steps.closes('restored-0', 'later', 'SUCCEEDED');
      expect([...device.runs]).toEqual([['later', 1]]);
    },
    TEST_TIMEOUT_MS,
  );

  /** As docs/operations/backup.md has it, while Temporal writes. */
  async function copyTemporal(): Promise<void> {
    const database = new DatabaseSync(temporalFile('temporal.db'), { readOnly: true });
    await backup(database, temporalFile('copy.db'));
    database.close();
  }

  async function restoreTemporal(): Promise<void> {
    for (const file of ['temporal.db-wal', 'temporal.db-shm']) await rm(temporalFile(file), { force: true });
    await rename(temporalFile('copy.db'), temporalFile('temporal.db'));
  }

  function temporalFile(name: string): string {
    return join(installation.dataDir, 'temporal', name);
  }
});

describe('without Temporal', () => {
  it(
    'everything else works, and it is said what is missing',
    async () => {
      const installation = await Installation.start({ env: { TEMPORAL_CLI_PATH: '/there/is/none' } });
      afterThisTest(() => installation.remove());
      afterThisTest(() => installation.stop());
      await eventsFlow('without', installation, async () => {
        await bothSay(installation, (trouble) => trouble === 'it cannot be reached (ECONNREFUSED)');
      });
      expect(await installation.console()).toMatch(/temporal: is missing, .*TEMPORAL_CLI_MISSING.*\/there\/is\/none/);
      expect(await installation.stop()).toBe(0);
    },
    TEST_TIMEOUT_MS,
  );
});
