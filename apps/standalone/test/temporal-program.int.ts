import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { processIdentity } from '../src/supervise/process-identity.ts';
import { ProvidedProgram } from '../src/parts/provided-program.ts';

const WAIT_MS_MAX = 30_000;
jest.setTimeout(2 * WAIT_MS_MAX);
const PROVIDE_TEMPORAL = fileURLToPath(new URL('../../../tools/provide-temporal.mjs', import.meta.url));

let folder: string;
let env: NodeJS.ProcessEnv;
let program: ProvidedProgram<'path'>;
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bw-temporal-'));
  // Nothing but what the test puts there, so nothing is found, downloaded or built for real.
  env = { PATH: join(folder, 'bin'), XDG_CACHE_HOME: join(folder, 'cache') };
  program = new ProvidedProgram({
    script: 'provide-temporal.mjs',
    fields: ['path'],
    logFile: join(folder, 'temporal.log'),
    env,
  });
  child = undefined;
});

afterEach(() => {
  program.stop();
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function script(path: string, lines: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${lines}\n`);
  chmodSync(path, 0o755);
}

/** Homebrew is asked first. This one leaves its process id and then takes for ever. */
function brewThatHangs(): void {
  script(join(folder, 'bin', 'brew'), `echo $$ > ${folder}/brew.pid; exec /bin/sleep 600`);
}

async function pidOfBrew(): Promise<number> {
  for (const startedAt = performance.now(); performance.now() - startedAt < WAIT_MS_MAX;) {
    try {
      const pid = Number(readFileSync(join(folder, 'brew.pid'), 'utf8'));
      if (pid > 0) return pid;
    } catch {
      // It has not come so far.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('brew was never run');
}

async function untilGone(pid: number): Promise<void> {
  for (const startedAt = performance.now(); processIdentity(pid) !== undefined;) {
    if (performance.now() - startedAt > WAIT_MS_MAX) throw new Error(`process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the program of Temporal', () => {
  it('is only looked for when that is asked, and obtained when that is', async () => {
    const path = join(folder, 'bin', 'temporal');
    const prints = `printf '#!/bin/sh\\necho "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"\\n' > ${path}`;
    script(join(folder, 'bin', 'brew'), `${prints}; /bin/chmod 755 ${path}`);
    expect(await program.find()).toEqual({ event: 'missing', reason: 'there is no Temporal CLI on this machine' });
    expect(await program.obtain()).toEqual({ event: 'found', path });
    expect(await program.find()).toEqual({ event: 'found', path });
    expect(readFileSync(join(folder, 'temporal.log'), 'utf8')).toContain('"way":"Homebrew"');
  });

  it('is not obtained any longer when the platform stops', async () => {
    brewThatHangs();
    const obtaining = program.obtain();
    const pid = await pidOfBrew();
    program.stop();
    expect((await obtaining).event).toBe('missing');
    await untilGone(pid);
    expect(await program.find()).toEqual({ event: 'missing', reason: 'the platform stops' });
  });

  it('is not obtained any longer when the platform is killed', async () => {
    brewThatHangs();
    child = spawn(process.execPath, [PROVIDE_TEMPORAL], {
      detached: true,
      env: { ...env, BREAKWATER_SUPERVISED: '1' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const pid = await pidOfBrew();
    // What the system does to the pipes of a killed process.
    child.stdin?.destroy();
    await untilGone(pid);
  });
});
