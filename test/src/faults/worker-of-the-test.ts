import { readFile } from 'node:fs/promises';

import { StartedProgram } from '@breakwater/observability/testing';

import type { PlatformUnderFault } from './platform-under-fault.ts';

export interface WorkerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A program with arguments that becomes the worker. */
  readonly wrapper?: readonly string[];
}

/**
 * One more twin-worker beside those of the supervisor, with their settings: as an operator adds one, or with something
 * that only this one is to have, such as a clock of its own.
 */
export class WorkerOfTheTest {
  readonly metricsPort: number;
  readonly #program: StartedProgram;

  private constructor(program: StartedProgram, metricsPort: number) {
    this.#program = program;
    this.metricsPort = metricsPort;
  }

  static async start(
    platform: PlatformUnderFault,
    { env = {}, wrapper = [] }: WorkerOptions = {},
  ): Promise<WorkerOfTheTest> {
    const [pid] = await platform.pidsOf('twin-worker-1');
    const command = [...wrapper, ...textsOf(await readFile(`/proc/${String(pid)}/cmdline`, 'utf8'))];
    const entries = textsOf(await readFile(`/proc/${String(pid)}/environ`, 'utf8')).map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)] as const;
    });
    const program = new StartedProgram(command, { env: { ...Object.fromEntries(entries), ...env } });
    const { metrics } = await program.ready();
    return new WorkerOfTheTest(program, metrics as number);
  }

  get pid(): number {
    return this.#program.pid;
  }

  kill(): void {
    this.#program.signal('SIGKILL');
  }

  /** SIGTERM; it gives its shards away first. Answers the exit code. */
  stop(): Promise<number | null> {
    return this.#program.end('SIGTERM');
  }
}

function textsOf(zeroSeparated: string): readonly string[] {
  return zeroSeparated.split('\0').filter((text) => text !== '');
}
