import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { ConsoleReport } from '../src/supervise/console-report.ts';
import type { Part } from '../src/supervise/part.ts';
import { processIdentity } from '../src/supervise/process-identity.ts';
import { RunFile } from '../src/supervise/run-file.ts';
import { StartRefused } from '../src/start-refused.ts';
import { Supervisor } from '../src/supervise/supervisor.ts';

const FAKE_PART = fileURLToPath(new URL('fake-part.mjs', import.meta.url));
const WAIT_MS_MAX = 20_000;
jest.setTimeout(2 * WAIT_MS_MAX);

let folder: string;
let printed: string;
let supervisor: Supervisor | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bw-supervisor-'));
  printed = '';
  supervisor = undefined;
});

afterEach(async () => {
  await supervisor?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function part(name: string, behaviour: string, levels: { start: number; stop: number }): Part {
  return {
    name,
    command: process.execPath,
    args: [FAKE_PART, behaviour, join(folder, 'journal')],
    env: { PART_NAME: name },
    startLevel: levels.start,
    stopLevel: levels.stop,
  };
}

function supervise(parts: readonly Part[], times: { readyTimeoutMs?: number; stopGraceMs?: number } = {}): Supervisor {
  const { runFile } = RunFile.claim(join(folder, 'run.json'));
  supervisor = new Supervisor({
    parts,
    runFile,
    logFolder: folder,
    report: new ConsoleReport((text) => (printed += text)),
    readyTimeoutMs: times.readyTimeoutMs ?? WAIT_MS_MAX,
    stopGraceMs: times.stopGraceMs ?? WAIT_MS_MAX,
    explainCrash: () => undefined,
  });
  return supervisor;
}

const journal = (): string[] => readFileSync(join(folder, 'journal'), 'utf8').trimEnd().split('\n');
const running = (): { name: string; pid: number; ports: object }[] =>
  (
    JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as {
      parts: { name: string; pid: number; ports: object }[];
    }
  ).parts;

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const startedAt = performance.now(); !condition();) {
    if (performance.now() - startedAt > WAIT_MS_MAX) throw new Error(`waited for: ${what}\nprinted so far: ${printed}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the supervisor', () => {
  it('starts level by level and stops level by level', async () => {
    const parts = [
      part('store', 'good', { start: 1, stop: 3 }),
      part('worker', 'good', { start: 2, stop: 2 }),
      part('gateway', 'good', { start: 3, stop: 1 }),
    ];
    await supervise(parts).start();
    expect(journal()).toEqual([
      'store started',
      'store ready',
      'worker started',
      'worker ready',
      'gateway started',
      'gateway ready',
    ]);
    expect(running().map(({ name, ports }) => ({ name, ports }))).toEqual(
      ['store', 'worker', 'gateway'].map((name) => ({ name, ports: { http: 4711 } })),
    );
    const pids = running().map(({ pid }) => pid);
    await supervisor?.stop();
    expect(journal().slice(6)).toEqual(['gateway asked to stop', 'worker asked to stop', 'store asked to stop']);
    expect(pids.map(processIdentity)).toEqual([undefined, undefined, undefined]);
  });

  it('starts a crashed part again, says so, and records its new process', async () => {
    await supervise([part('worker', 'good', { start: 1, stop: 1 })]).start();
    const first = running()[0]?.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await until('the part serves again', () => printed.includes('serves again'));
    expect(printed).toMatch(/worker.*: ended \(SIGKILL\), starts again in \d+ ms/);
    expect(running()[0]?.pid).not.toBe(first);
    // What the part said before and after can be told apart in its log.
    const said = readFileSync(join(folder, 'worker.log'), 'utf8').trimEnd().split('\n');
    expect(said.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(['ready', 'partEnded', 'ready']);
  });

  it('does not take small talk of a part that served for the reason of its end', async () => {
    await supervise([part('worker', 'chats', { start: 1, stop: 1 })]).start();
    await until('the talk is heard', () => readFileSync(join(folder, 'worker.log'), 'utf8').includes('fine day'));
    process.kill(running()[0]?.pid ?? 0, 'SIGKILL');
    await until('the part serves again', () => printed.includes('serves again'));
    expect(printed).toContain(': ended (SIGKILL), starts again in');
  });

  it('refuses the start with the reason that the part gave, and leaves nothing behind', async () => {
    const parts = [part('store', 'good', { start: 1, stop: 2 }), part('gateway', 'refuses', { start: 2, stop: 1 })];
    const start = supervise(parts).start();
    await expect(start).rejects.toThrow(StartRefused);
    await expect(start).rejects.toThrow(
      /gateway ended before it was ready \(exit code 1\): there is no table to sit at/,
    );
    const pids = running().map(({ pid }) => pid);
    await supervisor?.stop();
    expect(pids.map(processIdentity).filter((identity) => identity !== undefined)).toEqual([]);
  });

  it('is not kept up by a part that the others can do without, tries it again, and stops it too', async () => {
    const supervised = supervise([part('store', 'good', { start: 1, stop: 2 })]);
    await supervised.start();
    const tried = supervised.startLater(part('extra', 'refuses', { start: 0, stop: 1 }));
    await until('the second try', () => /extra.*starts again in 500 ms/.test(printed));
    await tried;
    expect(printed).toMatch(/extra.*: ended \(exit code 1, there is no table to sit at\), starts again in 250 ms/);
    await supervised.startLater(part('late', 'good', { start: 0, stop: 1 }));
    expect(running().map(({ name }) => name)).toEqual(expect.arrayContaining(['store', 'late']));
    const pids = running().map(({ pid }) => pid);
    await supervised.stop();
    expect(pids.map(processIdentity).filter((identity) => identity !== undefined)).toEqual([]);
    expect(journal().slice(-2)).toEqual(['late asked to stop', 'store asked to stop']);
  });

  it('refuses a part that never becomes ready', async () => {
    const start = supervise([part('slow', 'never-ready', { start: 1, stop: 1 })], { readyTimeoutMs: 1_500 }).start();
    await expect(start).rejects.toThrow(/slow was not ready after 2 s: still looking for my glasses/);
  });

  it('says that it ends a part of the background that is not ready in its own time, and starts it again', async () => {
    await supervise([]).start();
    const slow = part('slow', 'never-ready', { start: 0, stop: 1 });
    await supervisor?.startLater({ ...slow, readyTimeoutMs: 1_500 });
    await until('the next try', () => /slow.*: ended \(SIGKILL.*\), starts again/.test(printed));
    expect(printed).toMatch(/slow.*: was not ready after 2 s and is ended/);
  });

  it('ends a part that does not stop in its grace, and says so', async () => {
    await supervise([part('stubborn', 'stubborn', { start: 1, stop: 1 })], { stopGraceMs: 300 }).start();
    const pid = running()[0]?.pid ?? 0;
    await supervisor?.stop();
    expect(processIdentity(pid)).toBeUndefined();
    expect(printed).toContain('did not stop in time and was ended');
  });

  it('passes warnings on, with the name of the part', async () => {
    await supervise([part('cloud', 'warns', { start: 1, stop: 1 })]).start();
    await until('the warning', () => printed.includes('warn: rain: no umbrella'));
    expect(readFileSync(join(folder, 'cloud.log'), 'utf8')).toContain('no umbrella');
  });

  it('stops while it is still starting', async () => {
    const started = supervise([part('slow', 'never-ready', { start: 1, stop: 1 })]).start();
    await until('the part was started', () => running().length === 1);
    const pid = running()[0]?.pid ?? 0;
    await supervisor?.stop();
    await started;
    expect(processIdentity(pid)).toBeUndefined();
  });
});
