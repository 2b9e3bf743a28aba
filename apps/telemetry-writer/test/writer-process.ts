import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** A telemetry-writer in a process of its own, as it was built. */
export class WriterProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(name: string, env: Readonly<Record<string, string>>) {
    this.name = name;
    const metrics = { METRICS_HOST: '127.0.0.1', METRICS_PORT: '0' };
    const { PATH = '' } = process.env;
    const level = process.env['LOG_LEVEL'] ?? 'error';
    this.#child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
      env: { PATH, LOG_LEVEL: level, WRITER_NAME: name, ...metrics, ...env },
      stdio: level === 'error' ? 'ignore' : 'inherit',
    });
    this.#ended = once(this.#child, 'exit').then(([code]) => code as number | null);
  }

  /** Its exit code; null after a signal. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.signal(signal);
    await this.#ended;
  }
}
