import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { processIdentity } from '../src/supervise/process-identity.ts';

const WAIT_MS_MAX = 30_000;
jest.setTimeout(2 * WAIT_MS_MAX);

/** Ends its first thread and goes on in another, as a killed process does that has much to clear up. */
const HALF_ENDED = `
import ctypes, threading, time
threading.Thread(target=lambda: time.sleep(600)).start()
ctypes.CDLL(None).pthread_exit(None)
`;
const hasPython = process.platform === 'linux' && spawnSync('python3', ['--version']).status === 0;

let child: ChildProcess | undefined;
afterEach(() => void child?.kill('SIGKILL'));

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const startedAt = performance.now(); !condition();) {
    if (performance.now() - startedAt > WAIT_MS_MAX) throw new Error(`waited for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

(hasPython ? describe : describe.skip)('a process whose first thread has ended (needs Linux and python3)', () => {
  it('is there until its last thread has ended too', async () => {
    child = spawn('python3', ['-c', HALF_ENDED], { stdio: 'ignore' });
    const pid = child.pid ?? 0;
    await until('the first thread to end', () => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
    expect(processIdentity(pid)).toEqual(expect.any(String));
    child.kill('SIGKILL');
    await until('the process to be gone', () => processIdentity(pid) === undefined);
  });
});
