import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { pause } from '../../platform-steps.ts';
import type { FaultCase } from '../fault-case.ts';
import { canLimitMemory, canMoveClocks, fakeTimeLibrary } from '../machine-abilities.ts';
import { poisonLog } from '../poison.ts';
import { runOutOfMemory, stressCores } from '../spoil-machine.ts';
import { WorkerOfTheTest } from '../worker-of-the-test.ts';
import { whileNoOwnerChanges } from './spoilt-stores.ts';

const TAKEOVER_MS_MAX = 10_000;
const STRESS_MS = 120_000;
const MEMORY_MB = 256;
const CLOCK_STEPS_SECONDS = [600, -600, 0];
const BETWEEN_STEPS_MS = 7_000;

/** What the machine does to the platform, and what is in the log that should not be. */
export const SPOILT_MACHINE: readonly FaultCase[] = [
  {
    name: 'poison',
    title: 'records whose handlers throw, in every partition',
    lines: ['F8'],
    loadSeconds: 16,
    strike: poisonLog,
  },
  {
    name: 'clock-steps',
    title: 'the clock of one of three workers jumps 10 min ahead, then 10 min back, then to the right time',
    lines: ['F39'],
    loadSeconds: 36,
    lacks: canMoveClocks,
    strike: async (platform) => {
      const file = join(platform.dataDir, 'clock-of-one-worker');
      await writeFile(file, '+0');
      const worker = await WorkerOfTheTest.start(platform, {
        env: {
          LD_PRELOAD: fakeTimeLibrary() ?? '',
          FAKETIME_TIMESTAMP_FILE: file,
          FAKETIME_CACHE_DURATION: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        },
      });
      for (const seconds of CLOCK_STEPS_SECONDS) {
        await pause(BETWEEN_STEPS_MS);
        await writeFile(file, `${seconds < 0 ? '' : '+'}${seconds}`);
      }
      await pause(BETWEEN_STEPS_MS);
      const code = await worker.stop();
      return `the worker ended with ${String(code)}`;
    },
  },
  {
    name: 'out-of-memory',
    title: 'the kernel ends one of three workers, in a cgroup of 256 MB',
    lines: ['F42'],
    loadSeconds: 24,
    takeoverMaxMs: TAKEOVER_MS_MAX,
    lacks: canLimitMemory,
    strike: (platform) => runOutOfMemory(platform, MEMORY_MB),
  },
  {
    name: 'busy-cores',
    title: 'every core is busy with something else for 2 min: no shard changes its owner, and PUBACKs come within 5 s',
    lines: ['F43'],
    loadSeconds: 128,
    pubackP99MaxMs: 5_000,
    strike: (platform) => whileNoOwnerChanges(platform, () => stressCores(STRESS_MS)),
  },
];
