import { isDeepStrictEqual } from 'node:util';

import type { FaultCase, FaultResult } from './fault-case.ts';
import { isForOtherLogs } from './fault-log.ts';
import { withoutFigures } from './fault-table.ts';
import { PlatformUnderFault } from './platform-under-fault.ts';
import { type FaultRunOptions, runFault } from './run-fault.ts';

/** Faults that one platform goes through before it makes room for a fresh one: its tables grow, and its disk fills. */
const FAULTS_PER_PLATFORM = 8;

/** Runs faults one after the other, on as few platforms as their needs allow. A failed fault ends its platform. */
export class FaultRunner {
  readonly #options: FaultRunOptions;
  #platform: PlatformUnderFault | null = null;
  #used = 0;

  constructor(options: FaultRunOptions) {
    this.#options = options;
  }

  async run(fault: FaultCase): Promise<FaultResult> {
    const missing = isForOtherLogs(fault) ?? fault.lacks?.() ?? null;
    if (missing !== null) return withoutFigures(fault.name, 'not run', missing);
    try {
      const platform = await this.#platformFor(fault);
      const result = await runFault(fault, platform, this.#options);
      if (result.verdict === 'passed') return result;
      return { ...result, problems: [...result.problems, await this.#abandon()] };
    } catch (error) {
      const left = await this.#abandon();
      return withoutFigures(fault.name, 'failed', `${sentenceOf(error)}; ${left}`);
    }
  }

  async stop(): Promise<void> {
    await this.#platform?.stop();
    this.#platform = null;
  }

  async #platformFor({ setup = {} }: FaultCase): Promise<PlatformUnderFault> {
    const isWorn = this.#used >= FAULTS_PER_PLATFORM || !isDeepStrictEqual(this.#platform?.setup, setup);
    if (isWorn) await this.stop();
    if (this.#platform === null) this.#used = 0;
    this.#platform ??= await PlatformUnderFault.start(setup);
    this.#used += 1;
    return this.#platform;
  }

  /** The next fault begins afresh, and what this one left can be looked at. */
  async #abandon(): Promise<string> {
    const platform = this.#platform;
    this.#platform = null;
    if (platform === null) return 'no platform came up';
    await platform.stop(true);
    return `data and logs are kept in ${platform.dataDir}`;
  }
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
