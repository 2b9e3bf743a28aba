import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '@breakwater/free-port';
import { endProcess } from '@breakwater/observability/testing';

const STARTS_MAX = 3;
const START_TIMEOUT_MS = 20_000;
const LOOK_AGAIN_MS = 20;
const LOOPBACK = '127.0.0.1';

/** As near to the harness as its settings go: the same number in flight, an endless queue, nothing on disk. */
const SETTINGS = [
  'allow_anonymous true',
  'persistence false',
  'log_dest none',
  'max_inflight_messages 32',
  'max_queued_messages 0',
  'set_tcp_nodelay true',
  'sys_interval 0',
];

export function mosquittoAvailable(): boolean {
  // It answers its help with exit code 3; only where it is missing there is none.
  return spawnSync('mosquitto', ['-h'], { stdio: 'ignore' }).status !== null;
}

/** A mosquitto process of our own, from the machine's package. */
export class MosquittoBroker {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port;
    this.#process = child;
    this.#folder = folder;
  }

  static async start(): Promise<MosquittoBroker> {
    for (let starts = 1; ; starts += 1) {
      const broker = await MosquittoBroker.#tryStart();
      if (broker !== null) return broker;
      // Somebody else may have taken the port in between.
      if (starts === STARTS_MAX) throw new Error('mosquitto does not start');
    }
  }

  async stop(): Promise<void> {
    await endProcess(this.#process);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  static async #tryStart(): Promise<MosquittoBroker | null> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'breakwater-mosquitto-'));
    const file = join(folder, 'mosquitto.conf');
    writeFileSync(file, [`listener ${port} ${LOOPBACK}`, ...SETTINGS, ''].join('\n'));
    const child = spawn('mosquitto', ['-c', file], { stdio: 'ignore' });
    const broker = new MosquittoBroker(port, child, folder);
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (child.exitCode === null && performance.now() < deadlineMs) {
      if (await listens(port)) return broker;
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_AGAIN_MS);
      });
    }
    await broker.stop();
    return null;
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: LOOPBACK, port });
    const answer = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
