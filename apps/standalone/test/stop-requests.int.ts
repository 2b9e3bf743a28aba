import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '@breakwater/free-port';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { redisProcessAt } from '../src/parts/redis-server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const WAIT_MS_MAX = 60_000;
jest.setTimeout(2 * WAIT_MS_MAX);

let folder: string;
let child: ChildProcess;
let output: string;

/** The platform in the middle of its start: redis-server runs, the others come up. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bw-stop-'));
  output = '';
  const [http, mqtt] = [await freePort(), await freePort()];
  child = spawn(process.execPath, ['--conditions=@breakwater/source', MAIN], {
    env: {
      ...process.env,
      BIND_HOST: '127.0.0.1',
      HTTP_PORT: String(http),
      MQTT_PORT: String(mqtt),
      MQTT_WS_PORT: '0',
      EMBEDDED_TEMPORAL: 'off',
      DATA_DIR: folder,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (output += text));
  await until('redis is ready', () => output.includes('redis'));
});

afterEach(() => {
  child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const startedAt = performance.now(); !condition();) {
    if (performance.now() - startedAt > WAIT_MS_MAX) throw new Error(`waited for: ${what}\noutput: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a Ctrl-C', () => {
  it('that arrives twice at once, as it does under npm, still stops in order', async () => {
    // Two of the same kind could melt into one before they are delivered.
    child.kill('SIGINT');
    child.kill('SIGTERM');
    await until('the end', () => child.exitCode !== null);
    expect({ exitCode: child.exitCode, output }).toEqual({
      exitCode: 0,
      output: expect.stringMatching(/Stopped\.\n$/),
    });
    expect(readdirSync(folder)).not.toContain('run.json');
    expect(await redisProcessAt(join(folder, 'redis', 'redis.sock'))).toBeUndefined();
  });
});
