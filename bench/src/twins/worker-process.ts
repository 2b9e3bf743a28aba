import { join } from 'node:path';

import { StartedProgram } from '@breakwater/observability/testing';

/** As `npm start` limits it. */
const HEAP_MEGABYTES = 384;

export interface WorkerOptions {
  /** The checkout, built, whose worker it is. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Arguments of Node, before the program. */
  readonly nodeArguments: readonly string[];
}

/** One twin-worker of its own process, as `npm start` runs it. */
export class WorkerProcess {
  readonly #program: StartedProgram;

  constructor({ folder, env, nodeArguments }: WorkerOptions) {
    const main = join(folder, 'apps', 'twin-worker', 'dist', 'main.js');
    const heap = `--max-old-space-size=${HEAP_MEGABYTES}`;
    this.#program = new StartedProgram([process.execPath, heap, ...nodeArguments, main], {
      env: {
        ...process.env,
        ...{ BREAKWATER_SUPERVISED: '1', NODE_ENV: 'production', METRICS_PORT: '0', LOG_LEVEL: 'warn' },
        ...env,
      },
    });
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** @throws with the last that it said, when it has ended. */
  assertRuns(): void {
    if (this.#program.hasEnded) throw new Error(`a worker ended:\n${this.#program.output}`);
  }

  async stop(): Promise<void> {
    await this.#program.end('SIGTERM');
  }
}
