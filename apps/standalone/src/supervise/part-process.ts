import { type ChildProcess, spawn } from 'node:child_process';

import { LineSplitter } from './line-splitter.ts';
import { type PartLine, readPartLine } from './part-line.ts';
import type { PartLog } from './part-log.ts';
import { niceCommand, niceSession } from './part-niceness.ts';
import type { Part, PartPorts } from './part.ts';

const PROBE_INTERVAL_MS = 25;
const KILL_WAIT_MS = 5_000;
/** Output that was written before the exit may still be in the pipe. */
const OUTPUT_WAIT_MS = 500;

export interface PartExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last thing that it said about why, if anything. */
  readonly reason: string;
}

/**
 * One run of one part, from spawn to exit. The child has a process group of its own, so that a Ctrl-C in the terminal
 * reaches the supervisor alone, and a pipe on stdin whose end tells it that the supervisor is gone.
 */
export class PartProcess {
  readonly exited: Promise<PartExit>;
  readonly #child: ChildProcess;
  readonly #part: Part;
  readonly #onWarning: (line: string) => void;
  readonly #readyLine = Promise.withResolvers<PartPorts>();
  #lastWords = '';
  #hasServed = false;
  #hasExited = false;

  constructor(part: Part, log: PartLog, onWarning: (line: string) => void) {
    this.#part = part;
    this.#onWarning = onWarning;
    const niceness = part.niceness ?? 0;
    const [command, args] = niceCommand(part.command, part.args, niceness);
    this.#child = spawn(command, args, {
      detached: true,
      env: { ...process.env, ...part.env, BREAKWATER_SUPERVISED: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    if (niceness !== 0 && this.#child.pid !== undefined) void niceSession(this.#child.pid, niceness);
    // The child may end before it reads: a broken pipe then only repeats what `exited` says.
    this.#child.stdin?.on('error', () => undefined);
    this.#listen(log);
    this.exited = this.#exit(log);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** Resolves with the ports when the part serves; with undefined when it ended or took too long instead. */
  async ready(timeoutMs: number): Promise<PartPorts | undefined> {
    const deadline = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => deadline.resolve(undefined), timeoutMs);
    const serving =
      this.#part.probe === undefined ? this.#readyLine.promise : this.#probed(this.#part.probe, timeoutMs);
    try {
      const ports = await Promise.race([serving, this.exited.then(() => undefined), deadline.promise]);
      if (ports !== undefined) this.#served();
      return ports;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks it to stop, and ends it when it has not after the grace. Answers whether it went by itself. */
  async stop(graceMs: number): Promise<boolean> {
    this.signal('SIGTERM');
    if (await this.#exitedWithin(graceMs)) return true;
    this.signal('SIGKILL');
    await this.#exitedWithin(KILL_WAIT_MS);
    return false;
  }

  /** SIGKILL goes to the whole group: nothing that the part started may outlive it. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (this.#hasExited || pid === undefined) return;
    try {
      process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
    } catch {
      // It went between the look and the call.
    }
  }

  /** What a part said until now, and small talk from now on, explains no later end. */
  #served(): void {
    this.#hasServed = true;
    this.#lastWords = '';
  }

  async #exitedWithin(timeoutMs: number): Promise<boolean> {
    const deadline = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => deadline.resolve(false), timeoutMs);
    try {
      return await Promise.race([this.exited.then(() => true), deadline.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #probed(probe: () => Promise<boolean>, timeoutMs: number): Promise<PartPorts | undefined> {
    for (let waitedMs = 0; waitedMs < timeoutMs && !this.#hasExited; waitedMs += PROBE_INTERVAL_MS) {
      if (await probe()) return this.#part.ports ?? {};
      await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
    }
    return undefined;
  }

  #listen(log: PartLog): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      const lines = new LineSplitter((line) => {
        log.write(line);
        this.#hear(readPartLine(line));
      });
      stream?.setEncoding('utf8');
      stream?.on('data', (chunk: string) => lines.push(chunk));
      stream?.on('end', () => lines.end());
    }
  }

  #hear(line: PartLine): void {
    if (line.kind === 'ready') this.#readyLine.resolve(line.ports);
    if (line.kind === 'startFailed' || line.kind === 'complaint') this.#lastWords = line.message;
    if (line.kind === 'warning') {
      this.#lastWords = line.message;
      this.#onWarning(`${line.level}: ${line.message}`);
    }
    if (line.kind === 'plain' && !this.#hasServed && !line.text.startsWith('{')) this.#lastWords ||= line.text;
  }

  #exit(log: PartLog): Promise<PartExit> {
    return new Promise((resolve) => {
      let spawnError = '';
      const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#hasExited) return;
        this.#hasExited = true;
        log.close();
        resolve({ code, signal, reason: spawnError || this.#lastWords });
      };
      this.#child.on('error', (error) => {
        spawnError = error.message;
        if (this.#child.pid === undefined) finish(null, null);
      });
      this.#child.on('exit', (code, signal) => setTimeout(() => finish(code, signal), OUTPUT_WAIT_MS).unref());
      this.#child.on('close', finish);
    });
  }
}
