import { readFileSync, existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { PartLog } from '../src/supervise/part-log.ts';
import { PartProcess } from '../src/supervise/part-process.ts';

const NICENESS = 7;
const WAIT_MS = 20_000;
const READY_TIMEOUT_MS = 20_000;
const PROGRAM = 'process.stdin.resume(); process.stdin.on("end", () => process.exit());';

describe('a part that stands back behind the others', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'niceness-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function start(niceness: number): PartProcess {
    const part = {
      name: 'standing-back',
      command: process.execPath,
      args: ['-e', PROGRAM],
      env: {},
      startLevel: 0,
      stopLevel: 0,
      niceness,
      probe: () => Promise.resolve(true),
    };
    return new PartProcess(part, new PartLog(join(folder, 'part.log')), () => undefined);
  }

  it('has the nice value under its own pid, and so has its session where the system shares by sessions', async () => {
    const part = start(NICENESS);
    try {
      expect(await part.ready(READY_TIMEOUT_MS)).toEqual({});
      const pid = part.pid ?? 0;
      await until(() => getPriority(pid) === NICENESS);
      if (!isSharedBySessions()) return;
      await until(() => readFileSync(`/proc/${pid}/autogroup`, 'utf8').trim().endsWith(`nice ${NICENESS}`));
    } finally {
      await part.stop(WAIT_MS);
    }
    expect(part.hasExited).toBe(true);
  });

  it('is started as it is without a nice value', async () => {
    const part = start(0);
    try {
      await part.ready(READY_TIMEOUT_MS);
      expect(getPriority(part.pid ?? 0)).toBe(getPriority());
    } finally {
      await part.stop(WAIT_MS);
    }
  });
});

function isSharedBySessions(): boolean {
  const file = '/proc/sys/kernel/sched_autogroup_enabled';
  return existsSync(file) && readFileSync(file, 'utf8').trim() === '1' && existsSync('/proc/self/autogroup');
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = Date.now() + WAIT_MS;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error('it did not come about in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
