import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

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
  readonly #child: ChildProcess;
  #stderr = '';

  constructor({ folder, env, nodeArguments }: WorkerOptions) {
    const program = join(folder, 'apps', 'twin-worker', 'dist', 'main.js');
    this.#child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MEGABYTES}`, ...nodeArguments, program], {
      env: { ...process.env, NODE_ENV: 'production', METRICS_PORT: '0', LOG_LEVEL: 'warn', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk.toString()).slice(-4_000)));
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** @throws with the last that it said, when it has ended. */
  assertRuns(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      throw new Error(`a worker ended:\n${this.#stderr}`);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}
