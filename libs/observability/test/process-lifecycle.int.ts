import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it, jest } from '@jest/globals';

const PROGRAM = fileURLToPath(new URL('fake-process.ts', import.meta.url));
const WAIT_MS_MAX = 20_000;
let child: ChildProcess;
jest.setTimeout(2 * WAIT_MS_MAX);

afterEach(() => void child.kill('SIGKILL'));

/** Starts the program and waits until it serves. */
async function start(): Promise<{ readonly child: ChildProcess; readonly exited: Promise<number | null> }> {
  child = spawn(process.execPath, ['--conditions=@breakwater/source', PROGRAM], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, BREAKWATER_SUPERVISED: '1' },
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  await new Promise<void>((resolve) => {
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('"event":"ready"')) resolve();
    });
  });
  return { child, exited };
}

async function exitCode(exited: Promise<number | null>): Promise<number | null | 'still running'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'still running'>((resolve) => {
    timer = setTimeout(() => resolve('still running'), WAIT_MS_MAX);
  });
  try {
    return await Promise.race([exited, late]);
  } finally {
    clearTimeout(timer);
  }
}

describe('a process of ours', () => {
  it('stops on SIGTERM', async () => {
    const running = await start();
    running.child.kill('SIGTERM');
    expect(await exitCode(running.exited)).toBe(0);
  });

  it('stops when its supervisor is gone, though nobody reads its log any more', async () => {
    const running = await start();
    running.child.stdout?.destroy();
    running.child.stdin?.destroy();
    expect(await exitCode(running.exited)).toBe(0);
  });
});
