import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '@breakwater/free-port';

import { type EndedPart, endedParts, endedPartsText } from './ended-parts.ts';

const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 100;
const ADMIN_KEY = 'installation-under-test-key';

export interface RunningPart {
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
}

/** One embedded platform of its own, on free ports and an empty data folder: what `npm start` runs, run as users do. */
export class Installation {
  readonly url: string;
  readonly key = ADMIN_KEY;
  readonly mqttPort: number;
  readonly dataDir: string;
  readonly startMs: number;
  readonly #process: ChildProcess;

  private constructor(options: { httpPort: number; mqttPort: number; dataDir: string; child: ChildProcess }) {
    this.url = `http://127.0.0.1:${options.httpPort}`;
    this.mqttPort = options.mqttPort;
    this.dataDir = options.dataDir;
    this.#process = options.child;
    this.startMs = Date.now();
  }

  /** Starts the platform and waits until events flow end to end. */
  static async start(
    options: {
      readonly dataDir?: string;
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<Installation> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'breakwater-')));
    const httpPort = Number(options.env?.['HTTP_PORT'] ?? (await freePort()));
    const mqttPort = Number(options.env?.['MQTT_PORT'] ?? (await freePort()));
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('../../apps/standalone/dist/main.js', import.meta.url))],
      {
        env: {
          ...process.env,
          BIND_HOST: '127.0.0.1',
          HTTP_PORT: String(httpPort),
          MQTT_PORT: String(mqttPort),
          MQTT_WS_PORT: String(await freePort()),
          TEMPORAL_UI_PORT: String(await freePort()),
          // Building it meanwhile would spoil every figure, and is not for a test to begin.
          EMBEDDED_TEMPORAL: 'found',
          DATA_DIR: dataDir,
          ADMIN_API_KEY: ADMIN_KEY,
          ...options.env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      },
    );
    const log = createWriteStream(join(dataDir, 'console.log'), { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    const installation = new Installation({ httpPort, mqttPort, dataDir, child });
    try {
      await installation.waitUntilReady();
      return installation;
    } catch (error) {
      // Nobody else knows of it, and it would go on.
      await installation.stop();
      if (options.dataDir === undefined) await installation.remove();
      throw error;
    }
  }

  async waitUntilReady(): Promise<void> {
    const endMs = Date.now() + READY_TIMEOUT_MS;
    while (Date.now() < endMs) {
      if (this.#process.exitCode !== null) {
        throw new Error(`the platform ended with exit code ${this.#process.exitCode}:\n${await this.console()}`);
      }
      const answer = await fetch(`${this.url}/health/ready`).catch(() => null);
      if (answer?.status === 200) return;
      await pause(POLL_MS);
    }
    throw new Error(`the platform was not ready within ${READY_TIMEOUT_MS} ms:\n${await this.console()}`);
  }

  /** What the supervisor writes down of its parts. */
  async parts(): Promise<ReadonlyMap<string, RunningPart>> {
    const run = JSON.parse(await readFile(join(this.dataDir, 'run.json'), 'utf8')) as {
      parts: readonly (RunningPart & { readonly name: string })[];
    };
    return new Map(run.parts.map((part) => [part.name, part]));
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  console(): Promise<string> {
    return readFile(join(this.dataDir, 'console.log'), 'utf8');
  }

  /** Parts that ended since the first start on this data folder and were started again, with their last words. */
  async endedParts(): Promise<readonly EndedPart[]> {
    const log = (name: string): string => join(this.dataDir, 'logs', `${name}.log`);
    return endedParts(await this.console(), async (name) => {
      const older = await readFile(`${log(name)}.1`, 'utf8').catch(() => '');
      return older + (await readFile(log(name), 'utf8').catch(() => ''));
    });
  }

  /** Stops as Ctrl-C does and answers the exit code. The data folder stays. */
  async stop(): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const ended = new Promise<number | null>((resolve) => this.#process.once('exit', (code) => resolve(code)));
    this.#process.kill('SIGTERM');
    const forced = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const code = await ended;
    clearTimeout(forced);
    return code;
  }

  async remove(): Promise<void> {
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** Stops and removes it, after a word on the parts that ended by themselves: their logs go with it. */
  async stopAndTell(tell: (text: string) => void): Promise<void> {
    const ended = await this.endedParts().catch(() => []);
    if (ended.length > 0) tell(endedPartsText(ended));
    await this.stop();
    await this.remove();
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
