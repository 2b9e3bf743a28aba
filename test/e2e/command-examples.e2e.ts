import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import type { Installation } from '@breakwater/bench';

import { afterThisTest } from '../src/after-this-test.ts';
import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { CLIENT_TIMEOUT_MS } from '../src/device-clients/device-session.ts';
import { pageProgram, readmeProgram } from '../src/device-clients/readme-blocks.ts';
import { requirePrograms } from '../src/mqtt-harness/suites/outside-programs.ts';
import { runToEnd, suiteFolder } from '../src/mqtt-harness/suites/suite-programs.ts';
import { TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICE_SIDE = "## The device's side";
const TOKEN_LINES = 4;

function hasMosquitto(): boolean {
  try {
    requirePrograms('mosquitto_pub', 'mosquitto_sub');
    return true;
  } catch {
    return false;
  }
}

(temporalProgram() === undefined ? describe.skip : describe)(
  'the examples of commands, word by word (needs the Temporal CLI)',
  () => {
    let installation: Installation;
    let steps: CommandSteps;

    suiteInstallation(async (started) => {
      installation = started;
      steps = new CommandSteps(installation);
      await steps.ready();
    });

    const env = (token = ''): Record<string, string> => ({
      ADMIN_API_KEY: installation.key,
      MQTT_PORT: String(installation.mqttPort),
      HTTP_PORT: new URL(installation.url).port,
      DEVICE_TOKEN: token,
    });

    async function tokenOf(id: string): Promise<string> {
      const { body } = await steps.request<{ token: string }>('POST', 'devices', { id });
      return body.token;
    }

    it(
      'a device in Node carries out what it can, once, and rejects what it cannot',
      async () => {
        // Beside the packages, so that the import finds them as it would in a project of the reader.
        const file = join(suiteFolder('command-example'), 'device.mjs');
        writeFileSync(file, pageProgram('docs/commands.md', DEVICE_SIDE, 'js'));
        const token = await tokenOf('in-node');
        const running = spawn(process.execPath, [file], { env: { ...process.env, ...env(token) } });
        afterThisTest(() => running.kill('SIGKILL'));
        let printed = '';
        running.stdout.on('data', (chunk) => (printed += String(chunk)));
        running.stderr.on('data', (chunk) => (printed += String(chunk)));
        await until('the device to listen', () => printed.includes('listening'));
        const order = { method: 'reboot', params: { delayMs: 10 }, commandId: 'node-1' };
        // The example may have done it before the order is answered.
        expect([202, 200]).toContain((await steps.orderSurely('in-node', order)).status);
        const fly = { method: 'fly', commandId: 'node-2' };
        expect([202, 200]).toContain((await steps.orderSurely('in-node', fly)).status);
        const done = await steps.reaches('node-1', 'SUCCEEDED');
        expect(done.progress).toMatchObject({ percent: 50 });
        expect(done.result).toEqual({ rebootedAt: expect.any(Number) });
        expect((await steps.reaches('node-2', 'REJECTED')).transitions.at(-1)?.reason).toContain('cannot fly');
      },
      TEST_TIMEOUT_MS,
    );

    (hasMosquitto() ? it : it.skip)(
      "mosquitto's programs, as in docs/commands.md and in the README",
      async () => {
        const run = async (script: string, token = ''): Promise<string> => {
          const options = { env: env(token), timeoutMs: CLIENT_TIMEOUT_MS };
          const { code, output } = await runToEnd('bash', ['-ec', script], options);
          if (code !== 0) throw new Error(`it ended with ${String(code)}\n${output}`);
          return output;
        };
        const token = await tokenOf('by-hand');
        await steps.orderSurely('by-hand', { method: 'open', commandId: 'hand-1' });
        expect(await run(pageProgram('docs/commands.md', DEVICE_SIDE, 'sh'), token)).toContain('hand-1/request');
        expect((await steps.reaches('hand-1', 'SUCCEEDED')).result).toEqual({ by: 'hand' });
        const device = readmeProgram('sh').split('\n').slice(0, TOKEN_LINES).join('\n');
        const printed = await run(`${device}\n${pageProgram('README.md', '## Send a command', 'sh')}`);
        expect(printed).toContain('"state":"SUCCEEDED"');
        expect(printed).toContain('{"uptime":7}');
      },
      TEST_TIMEOUT_MS,
    );
  },
);
