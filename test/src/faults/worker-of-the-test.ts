import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

import type { PlatformUnderFault } from './platform-under-fault.ts';

export interface WorkerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A program with arguments that becomes the worker. */
  readonly wrapper?: readonly string[];
}

const STOP_MS_MAX = 40_000;
const READY_MS_MAX = 60_000;
const SAID_LENGTH_MAX = 10_000;

/**
 * One more twin-worker beside those of the supervisor, with their settings: as an operator adds one, or with something
 * that only this one is to have, such as a clock of its own.
 */
export class WorkerOfTheTest {
  readonly metricsPort: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, metricsPort: number) {
    this.#child = child;
    this.metricsPort = metricsPort;
  }

  static async start(
    platform: PlatformUnderFault,
    { env = {}, wrapper = [] }: WorkerOptions = {},
  ): Promise<WorkerOfTheTest> {
    const [pid] = await platform.pidsOf('twin-worker-1');
    const [program = '', ...args] = [...wrapper, ...textsOf(await readFile(`/proc/${String(pid)}/cmdline`, 'utf8'))];
    const entries = textsOf(await readFile(`/proc/${String(pid)}/environ`, 'utf8')).map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)] as const;
    });
    // Supervised, it ends with the pipe to this process.
    const child = spawn(program, args, {
      env: { ...Object.fromEntries(entries), ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return new WorkerOfTheTest(child, await metricsPortOf(child));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** SIGTERM; it gives its shards away first. Answers the exit code. */
  async stop(): Promise<number | null> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return exitCode;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const forced = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(forced);
    return this.#child.exitCode;
  }
}

/** Its ready line names it. */
function metricsPortOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), READY_MS_MAX);
    child.stdout?.on('data', (chunk: Buffer) => {
      if (said.length > SAID_LENGTH_MAX) return;
      said += chunk.toString();
      const line = said.split('\n').find((each) => each.includes('"event":"ready"') && each.endsWith('}'));
      if (line === undefined) return;
      clearTimeout(timer);
      resolve((JSON.parse(line) as { readonly ports: { readonly metrics: number } }).ports.metrics);
    });
    child.once('exit', () => reject(new Error(`the worker ended before it was ready: ${said}`)));
  });
}

function textsOf(zeroSeparated: string): readonly string[] {
  return zeroSeparated.split('\0').filter((text) => text !== '');
}
