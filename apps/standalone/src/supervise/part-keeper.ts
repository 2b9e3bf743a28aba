import type { ConsoleReport } from './console-report.ts';
import { PartLog } from './part-log.ts';
import { type PartExit, PartProcess } from './part-process.ts';
import type { Part, PartPorts } from './part.ts';
import { RestartDelay } from './restart-delay.ts';
import { StartRefused } from '../start-refused.ts';

const REASON_LENGTH_MAX = 300;

/** What the keeper needs from around it. */
export interface KeeperSurroundings {
  readonly report: ConsoleReport;
  readonly logFile: string;
  readonly readyTimeoutMs: number;
  readonly stopGraceMs: number;
  /** Called after every spawn and every ready, before anything else happens. */
  readonly onChange: () => void;
  /** Something about the machine that explains a crash, such as a full disk. */
  readonly explainCrash: () => string | undefined;
}

/**
 * Keeps one part running: starts it, starts it again when it ends by itself, and stops it.
 *
 *   idle ──start──▶ starting ──ready──▶ serving ──exit──▶ waiting ──delay──▶ starting
 *                      └─ exit or time-out at the first start: refused ─┘        stop: from anywhere to stopped
 *
 * A part that is started in the background refuses nothing: its first start is tried again like every later one.
 */
export class PartKeeper {
  readonly part: Part;
  readonly #around: KeeperSurroundings;
  readonly #delay = new RestartDelay();
  #process: PartProcess | undefined;
  #ports: PartPorts = {};
  #stopping = false;
  #wakeUp: (() => void) | undefined;
  #watching: Promise<void> = Promise.resolve();

  constructor(part: Part, around: KeeperSurroundings) {
    this.part = part;
    this.#around = around;
  }

  get #readyTimeoutMs(): number {
    return Math.min(this.part.readyTimeoutMs ?? Number.POSITIVE_INFINITY, this.#around.readyTimeoutMs);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get ports(): PartPorts {
    return this.#ports;
  }

  /** The first start: a part that cannot serve now would not serve later, so it refuses the whole start. */
  async start(): Promise<void> {
    const startedAt = performance.now();
    const child = this.#spawn();
    const ports = await child.ready(this.#readyTimeoutMs);
    if (ports === undefined) throw await this.#refusal(child);
    this.#ports = ports;
    this.#around.onChange();
    this.#around.report.ready(this.part.name, ports, performance.now() - startedAt);
    this.#watching = this.#watch(child, startedAt);
  }

  /** For a part that the others can do without. Resolves when its first try serves or has failed; never refuses. */
  startInBackground(): Promise<void> {
    const startedAt = performance.now();
    const child = this.#spawn();
    const tried = this.#serveFirst(child, startedAt);
    this.#watching = tried.then(() => this.#watch(child, startedAt));
    return tried;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeUp?.();
    const wentByItself = (await this.#process?.stop(this.#around.stopGraceMs)) ?? true;
    if (!wentByItself) this.#around.report.notice(this.part.name, 'did not stop in time and was ended');
    await this.#watching;
  }

  /** For a second Ctrl-C: no order, no grace. */
  kill(): void {
    this.#stopping = true;
    this.#wakeUp?.();
    this.#process?.signal('SIGKILL');
  }

  #spawn(): PartProcess {
    const { report, logFile } = this.#around;
    const child = new PartProcess(this.part, new PartLog(logFile), (line) =>
      report.warning(this.part.name, line, logFile),
    );
    this.#process = child;
    this.#around.onChange();
    return child;
  }

  async #refusal(child: PartProcess): Promise<StartRefused> {
    const stillRunning = !child.hasExited;
    if (stillRunning) await child.stop(this.#around.stopGraceMs);
    const exit = await child.exited;
    const seconds = Math.round(this.#readyTimeoutMs / 1000);
    const what = stillRunning ? `was not ready after ${seconds} s` : `ended before it was ready (${exitName(exit)})`;
    const why = [exit.reason, this.#around.explainCrash()]
      .filter((text) => text !== undefined && text !== '')
      .join('; ');
    return new StartRefused(
      'PART_START_FAILED',
      `${this.part.name} ${what}: ${why || 'no reason given'}\nIts log: ${this.#around.logFile}`,
    );
  }

  async #watch(first: PartProcess, firstStartedAt: number): Promise<void> {
    let child = first;
    let startedAt = firstStartedAt;
    for (;;) {
      const exit = await child.exited;
      if (this.#stopping) return;
      const delayMs = this.#delay.next(performance.now() - startedAt);
      const why = this.#around.explainCrash() ?? '';
      const ended = `ended (${describeExit(exit)}), starts again in ${delayMs} ms${why === '' ? '' : `; ${why}`}`;
      this.#around.report.notice(this.part.name, ended);
      this.#logEnd(ended);
      await this.#sleep(delayMs);
      if (this.#stopping) return;
      startedAt = performance.now();
      child = this.#spawn();
      const ports = await child.ready(this.#readyTimeoutMs);
      if (this.#stopping) continue;
      if (ports === undefined) this.#giveUp(child);
      else this.#servesAgain(ports, performance.now() - startedAt);
    }
  }

  /** Whoever reads the log of the part finds its last words before this line, and its next life after it. */
  #logEnd(ended: string): void {
    const log = new PartLog(this.#around.logFile);
    log.write(JSON.stringify({ level: 'warn', time: new Date().toISOString(), event: 'partEnded', msg: ended }));
    log.close();
  }

  /** Ends a part that took too long, and says so: its end would look like somebody else's doing. */
  #giveUp(child: PartProcess): void {
    if (child.hasExited) return;
    const seconds = Math.round(this.#readyTimeoutMs / 1000);
    this.#around.report.notice(this.part.name, `was not ready after ${seconds} s and is ended`);
    child.signal('SIGKILL');
  }

  async #serveFirst(child: PartProcess, startedAt: number): Promise<void> {
    const ports = await child.ready(this.#readyTimeoutMs);
    if (this.#stopping) return;
    if (ports === undefined) return this.#giveUp(child);
    this.#ports = ports;
    this.#around.onChange();
    this.#around.report.ready(this.part.name, ports, performance.now() - startedAt);
  }

  #servesAgain(ports: PartPorts, tookMs: number): void {
    this.#ports = ports;
    this.#around.onChange();
    this.#around.report.notice(this.part.name, `serves again after ${(tookMs / 1000).toFixed(1)} s`);
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function describeExit(exit: PartExit): string {
  return exit.reason === '' ? exitName(exit) : `${exitName(exit)}, ${exit.reason.slice(0, REASON_LENGTH_MAX)}`;
}

function exitName(exit: PartExit): string {
  return exit.signal ?? `exit code ${exit.code ?? 'unknown'}`;
}
