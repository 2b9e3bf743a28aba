import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../../apps/embedded-clickhouse/src/main.ts', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

/** An embedded ClickHouse in a process of its own, run from its sources, that a test may kill. */
export class EmbeddedProcess {
  readonly dataDir: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | null = null;
  #port = 0;

  private constructor(dataDir: string, env: Readonly<Record<string, string>>) {
    this.dataDir = dataDir;
    this.#env = env;
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<EmbeddedProcess> {
    const embedded = new EmbeddedProcess(await mkdtemp(join(tmpdir(), 'breakwater-clickhouse-')), env);
    await embedded.startAgain();
    return embedded;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** On the same port as before, so that clients find it again. */
  async startAgain(): Promise<void> {
    const child = spawn(
      process.execPath,
      ['--conditions=@breakwater/source', '--disable-warning=ExperimentalWarning', MAIN],
      {
        env: {
          ...process.env,
          NODE_OPTIONS: '',
          LOG_LEVEL: 'info',
          DATA_DIR: this.dataDir,
          EMBEDDED_CLICKHOUSE_PORT: String(this.#port),
          ...this.#env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#child = child;
    this.#port = await readyPort(child);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

function readyPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const seen: string[] = [];
    const timer = setTimeout(() => fail('it is not ready in time'), READY_TIMEOUT_MS);
    const fail = (why: string) => {
      clearTimeout(timer);
      reject(new Error(`the embedded ClickHouse did not start: ${why}\n${seen.join('\n')}`));
    };
    child.once('exit', (code) => fail(`exit code ${code}`));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        if (seen.length < 50) seen.push(line);
        if (!line.includes('"event":"ready"')) return;
        clearTimeout(timer);
        resolve((JSON.parse(line) as { ports: { clickhouse: number } }).ports.clickhouse);
      });
    }
  });
}
