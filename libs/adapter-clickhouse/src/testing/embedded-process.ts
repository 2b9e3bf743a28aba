import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { StartedProgram } from '@breakwater/observability/testing';

const MAIN = fileURLToPath(new URL('../../../../apps/embedded-clickhouse/src/main.ts', import.meta.url));
const COMMAND = [process.execPath, '--conditions=@breakwater/source', '--disable-warning=ExperimentalWarning', MAIN];

/** An embedded ClickHouse in a process of its own, run from its sources, that a test may kill. */
export class EmbeddedProcess {
  readonly dataDir: string;
  readonly #env: Readonly<Record<string, string>>;
  #program: StartedProgram | null = null;
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
    return this.#program?.pid;
  }

  /** On the same port as before, so that clients find it again. */
  async startAgain(): Promise<void> {
    this.#program = new StartedProgram(COMMAND, {
      env: {
        ...process.env,
        BREAKWATER_SUPERVISED: '1',
        NODE_OPTIONS: '',
        LOG_LEVEL: 'info',
        DATA_DIR: this.dataDir,
        EMBEDDED_CLICKHOUSE_PORT: String(this.#port),
        ...this.#env,
      },
    });
    const { clickhouse } = await this.#program.ready();
    this.#port = clickhouse as number;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const program = this.#program;
    this.#program = null;
    await program?.end(signal);
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
