// What obtaining a program for a machine that has none has in common, whichever program it is. Nothing here blocks, so
// that whoever waits for it can end it at any time, and what is half done lies in a folder that the next run removes.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { SetupRefused } from './run-step.mjs';

const WAIT_FOR_OTHER_MS = 1_000;
/** Longer than anything here may take: a folder that is older is nobody's, whoever has its process id by now. */
const ABANDONED_MS = 60 * 60_000;
const OUTPUT_LENGTH_MAX = 2_000;
const WORK_FOLDER = 'obtaining-';

/**
 * Runs `obtain` with a folder of its own inside the cache, which is removed afterwards. One process at a time: two
 * first starts at once would do the same minutes of work twice.
 */
export async function inCacheFolder(cache, obtain) {
  mkdirSync(cache, { recursive: true });
  await waitForOther(cache);
  const work = join(cache, `${WORK_FOLDER}${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    return await obtain(work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Runs a program to its end. @throws SetupRefused with the end of its output when it fails */
export function runToEnd(command, args, { env, timeoutMs }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-OUTPUT_LENGTH_MAX)));
    }
    child.on('error', (error) => reject(new SetupRefused(error.message)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new SetupRefused(`ended with ${signal ?? code}: ${output.trim()}`));
    });
  });
}

/** What a killed one left is removed. */
async function waitForOther(cache) {
  for (;;) {
    const others = readdirSync(cache).filter((name) => name.startsWith(WORK_FOLDER));
    const alive = others.filter(
      (name) => isAlive(Number(name.slice(WORK_FOLDER.length))) && isRecent(join(cache, name)),
    );
    for (const name of others.filter((other) => !alive.includes(other))) {
      rmSync(join(cache, name), { recursive: true, force: true });
    }
    if (alive.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, WAIT_FOR_OTHER_MS));
  }
}

/** In a container process ids are few, and soon another one has that of one that was killed. */
function isRecent(folder) {
  const changedAtMs = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - changedAtMs < ABANDONED_MS;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return pid !== process.pid;
  } catch (error) {
    // Not ours to signal, but there.
    return error.code === 'EPERM';
  }
}
