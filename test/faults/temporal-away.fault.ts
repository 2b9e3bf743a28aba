import { execFileSync } from 'node:child_process';

import { describe, expect, it } from '@jest/globals';
import { Installation } from '@breakwater/bench';

import { afterThisTest } from '../src/after-this-test.ts';
import { temporalProgram } from '../src/command-steps.ts';
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

  suiteInstallation((started) => {
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
