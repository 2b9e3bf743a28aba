import { join } from 'node:path';

import type { ConsoleReport } from './console-report.ts';
import { PartKeeper } from './part-keeper.ts';
import type { Part } from './part.ts';
import type { RunFile } from './run-file.ts';

export interface SupervisorOptions {
  readonly parts: readonly Part[];
  readonly logFolder: string;
  readonly runFile: RunFile;
  readonly report: ConsoleReport;
  readonly readyTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly explainCrash: () => string | undefined;
}

/** Runs all parts: up level by level, down level by level in the other order, and none left behind either way. */
export class Supervisor {
  readonly #keepers: PartKeeper[];
  readonly #options: SupervisorOptions;
  readonly #runFile: RunFile;
  #stopped: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#runFile = options.runFile;
    this.#options = options;
    this.#keepers = options.parts.map((part) => this.#keeperOf(part));
  }

  async start(): Promise<void> {
    for (const level of levels(this.#keepers, (keeper) => keeper.part.startLevel)) {
      if (this.#stopped !== undefined) return;
      const results = await Promise.allSettled(level.map((keeper) => keeper.start()));
      if (this.#stopped !== undefined) return;
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
  }

  /**
   * Adds a part that the others can do without: a start that fails is tried again. It stops with the others of its
   * level. Resolves when its first try serves or has failed.
   */
  async startLater(part: Part): Promise<void> {
    if (this.#stopped !== undefined) return;
    const keeper = this.#keeperOf(part);
    this.#keepers.push(keeper);
    await keeper.startInBackground();
  }

  /** Stops what runs, in order. A second call waits for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopInOrder();
    return this.#stopped;
  }

  kill(): void {
    for (const keeper of this.#keepers) keeper.kill();
  }

  async #stopInOrder(): Promise<void> {
    for (const level of levels(this.#keepers, (keeper) => keeper.part.stopLevel)) {
      await Promise.all(level.map((keeper) => keeper.stop()));
    }
  }

  #keeperOf(part: Part): PartKeeper {
    const { report, logFolder, readyTimeoutMs, stopGraceMs, explainCrash } = this.#options;
    return new PartKeeper(part, {
      report,
      logFile: join(logFolder, `${part.name}.log`),
      readyTimeoutMs,
      stopGraceMs,
      onChange: () => this.#record(),
      explainCrash,
    });
  }

  #record(): void {
    this.#runFile.write(
      this.#keepers.flatMap((keeper) => {
        const { pid, ports } = keeper;
        const { name, stopLevel, socket } = keeper.part;
        const place = socket === undefined ? {} : { socket };
        return pid === undefined ? [] : [{ name, pid, stopLevel, ports, ...place }];
      }),
    );
  }
}

function levels<Item>(items: readonly Item[], levelOf: (item: Item) => number): Item[][] {
  const byLevel = Map.groupBy(items, levelOf);
  return [...byLevel.keys()].sort((left, right) => left - right).map((level) => byLevel.get(level) ?? []);
}
