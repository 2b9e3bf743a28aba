import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { endProcess } from './end-process.ts';

export interface ProgramOptions {
  /** All of its environment: nothing is added. */
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Who it is; by default whoever starts it. */
  readonly userId?: number;
}

/** What a process of ours says when it serves: the ports on which it listens, by name. */
export type ReadyPorts = Readonly<Record<string, number>>;

const READY_MS_MAX = 60_000;
/** Enough of its end to see why a program ended. */
const OUTPUT_CHARACTERS_KEPT = 4_000;

/**
 * A program of the platform in a process of its own, which a test can end in every way. A supervised one
 * (`BREAKWATER_SUPERVISED=1`) ends with the process that started it, too.
 */
export class StartedProgram {
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<ReadyPorts>();
  #output = '';

  constructor(command: readonly string[], { env, cwd, userId }: ProgramOptions) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
      ...(userId === undefined ? {} : { uid: userId, gid: userId }),
    });
    // Not everybody waits until it is ready.
    this.#ready.promise.catch(() => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#said(line));
    }
    this.#child.once('error', (error) => this.#ready.reject(error));
    this.#child.once('close', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      this.#ready.reject(new Error(`the program ended (${how}) before it was ready:\n${this.#output}`));
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** The end of what it has said so far. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Settles when it serves. One that takes too long is killed, and whatever it said is in the error. */
  async ready(): Promise<ReadyPorts> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), READY_MS_MAX);
    try {
      return await this.#ready.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** SIGSTOP, SIGCONT, and others that do not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until it ends by itself, and answers its exit code. */
  async ended(): Promise<number | null> {
    if (!this.hasEnded) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** Settles with its exit code when it is gone. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    return endProcess(this.#child, signal);
  }

  #said(line: string): void {
    this.#output = `${this.#output}${line}\n`.slice(-OUTPUT_CHARACTERS_KEPT);
    if (!line.includes('"event":"ready"')) return;
    const { ports } = JSON.parse(line) as { readonly ports: ReadyPorts };
    this.#ready.resolve(ports);
  }
}
