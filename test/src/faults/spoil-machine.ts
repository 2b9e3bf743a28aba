import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { pause, until } from '../platform-steps.ts';
import { MEMORY_CGROUPS } from './machine-abilities.ts';
import { isAlive, type PlatformUnderFault } from './platform-under-fault.ts';
import { WorkerOfTheTest } from './worker-of-the-test.ts';

const MEGABYTE = 1024 * 1024;
const BUSY_PER_CORE = 2;
/** Until the worker has taken over its share of the shards. */
const SETTLE_MS = 5_000;
/** Takes memory bit by bit until there is none left. */
const HOG = `const held = []; setInterval(() => held.push(Buffer.alloc(${4 * MEGABYTE}, 1)), 20);`;

/** Keeps every core busy with work that is not ours. */
export async function stressCores(forMs: number): Promise<string> {
  const count = BUSY_PER_CORE * availableParallelism();
  const busy = Array.from({ length: count }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  await pause(forMs);
  await Promise.all(
    busy.map(async (child) => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }),
  );
  return `${count} busy loops on ${availableParallelism()} cores`;
}

/**
 * Starts a worker in a memory cgroup, with a neighbour that takes all there is: the kernel ends the worker. Answers
 * when it has.
 */
export async function runOutOfMemory(platform: PlatformUnderFault, limitMegabytes: number): Promise<string> {
  const group = join(MEMORY_CGROUPS, `breakwater-fault-${process.pid}`);
  await mkdir(group);
  await writeFile(join(group, 'memory.limit_in_bytes'), String(limitMegabytes * MEGABYTE));
  const enter = `echo $$ > ${join(group, 'cgroup.procs')} && exec "$@"`;
  const worker = await WorkerOfTheTest.start(platform, { wrapper: ['/bin/sh', '-c', enter, 'sh'] });
  await pause(SETTLE_MS);
  const hog = spawn(process.execPath, ['-e', HOG], { stdio: 'ignore' });
  const hogEnded = once(hog, 'exit');
  try {
    // Who takes the blame: to make another one immune needs more rights than to offer oneself.
    await writeFile(`/proc/${worker.pid}/oom_score_adj`, '1000');
    await writeFile(join(group, 'cgroup.procs'), String(hog.pid));
    await until('the kernel to end the worker', () => !isAlive(worker.pid));
  } finally {
    await worker.stop();
    hog.kill('SIGKILL');
    await hogEnded;
    await until('the cgroup to be empty', async () => {
      await rmdir(group);
      return true;
    });
  }
  return `ended by the kernel at ${limitMegabytes} MB`;
}
