import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '@breakwater/free-port';
import { endProcess } from '@breakwater/observability/testing';

import { until } from './gateway-fixture.ts';

export function mosquittoAvailable(): boolean {
  try {
    execFileSync('mosquitto', ['-h'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // It answers its help with exit code 3; only where it is missing there is none.
    return typeof (error as { status?: unknown }).status === 'number';
  }
}

export interface MosquittoTls {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A mosquitto that keeps its sessions over an orderly restart, as people run it. */
export class Mosquitto {
  readonly port: number;
  readonly #tls: MosquittoTls | null;
  readonly #folder = mkdtempSync(join(tmpdir(), 'breakwater-mosquitto-'));
  #child: ChildProcess | null = null;

  private constructor(port: number, tls: MosquittoTls | null) {
    this.port = port;
    this.#tls = tls;
  }

  /** With a certificate it speaks TLS alone. */
  static async start(tls: MosquittoTls | null = null): Promise<Mosquitto> {
    const broker = new Mosquitto(await freePort(), tls);
    await broker.startAgain();
    return broker;
  }

  async startAgain(): Promise<void> {
    const file = join(this.#folder, 'mosquitto.conf');
    const lines = [
      `listener ${this.port} 127.0.0.1`,
      ...(this.#tls === null ? [] : [`certfile ${this.#tls.certFile}`, `keyfile ${this.#tls.keyFile}`]),
      'allow_anonymous true',
      'persistence true',
      `persistence_location ${this.#folder}/`,
      'max_queued_messages 0',
      'log_dest none',
      // As root it would become somebody else, who may not write there.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      '',
    ];
    writeFileSync(file, lines.join('\n'));
    this.#child = spawn('mosquitto', ['-c', file], { stdio: 'ignore' });
    await until('mosquitto to listen', () => listens(this.port));
  }

  /** In order: it writes down what it still has to deliver. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child !== null) await endProcess(child, 'SIGTERM');
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const answer = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
