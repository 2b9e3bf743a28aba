import { join } from 'node:path';

import type { Part } from '../supervise/part.ts';
import type { ConsoleReport } from '../supervise/console-report.ts';
import type { Supervisor } from '../supervise/supervisor.ts';
import { ProvidedProgram } from './provided-program.ts';
import { temporalPart, type TemporalServerOptions } from './temporal-server.ts';

/** Events flow already; the banner waits this long so that it need not say "starts". */
const BANNER_WAIT_MS = 3_000;

export interface EmbeddedTemporalOptions {
  readonly mode: 'obtain' | 'found' | 'off';
  readonly server: Omit<TemporalServerOptions, 'programPath'>;
  /** Runs the workflows; there is nothing for it to do without a server. */
  readonly worker: Part;
  readonly supervisor: Supervisor;
  readonly report: ConsoleReport;
}

/**
 * Temporal beside the platform. Events flow without it, so nothing waits for it: it starts when the others serve, and
 * on a machine that has no program for it, the program is obtained while the platform already works.
 */
export class EmbeddedTemporal {
  readonly #options: EmbeddedTemporalOptions;
  readonly #program: ProvidedProgram<'path'>;
  #found: Promise<boolean> = Promise.resolve(false);
  #firstTry: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: EmbeddedTemporalOptions) {
    this.#options = options;
    this.#program = new ProvidedProgram({
      script: 'provide-temporal.mjs',
      fields: ['path'],
      logFile: join(options.server.dataFolder, 'logs', 'temporal.log'),
      env: process.env,
    });
  }

  /** Starts the server if its program is on this machine. */
  start(): void {
    if (this.#options.mode === 'off') return;
    this.#found = this.#program.find().then((search) => {
      if (search.event === 'found') this.#startServer(search.path);
      else if (this.#options.mode === 'found') this.#sayMissing(search.reason);
      return search.event === 'found';
    });
  }

  /** Obtains the program if there is none, which may take minutes, and starts the server then. */
  async obtainIfMissing(): Promise<void> {
    if (this.#options.mode !== 'obtain' || (await this.#found)) return;
    const search = await this.#program.obtain();
    if (search.event === 'found') this.#startServer(search.path);
    else this.#sayMissing(search.reason);
  }

  /** Where it is, or why it is not there yet. */
  async bannerLine(): Promise<string> {
    const { mode, server } = this.#options;
    if (mode === 'off') return 'off (EMBEDDED_TEMPORAL)';
    const waited = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), BANNER_WAIT_MS).unref());
    const found = await Promise.race([this.#found, waited]);
    if (found === false) {
      return mode === 'found'
        ? 'missing on this machine, see above'
        : 'its program is missing here and is obtained meanwhile, which can take minutes; all else works without it';
    }
    const isLate = found === 'late' || (await Promise.race([this.#firstTry, waited])) === 'late';
    const url = `http://localhost:${server.uiPort}/namespaces/${server.namespace}/workflows`;
    return isLate ? `${url} (starts)` : url;
  }

  stop(): void {
    this.#stopping = true;
    this.#program.stop();
  }

  #startServer(programPath: string): void {
    const { supervisor, server, worker } = this.#options;
    this.#firstTry = supervisor.startLater(temporalPart({ ...server, programPath }));
    void supervisor.startLater(worker);
  }

  #sayMissing(reason: string): void {
    if (this.#stopping) return;
    this.#options.report.notice('temporal', `is missing, everything else works (TEMPORAL_CLI_MISSING): ${reason}`);
  }
}
