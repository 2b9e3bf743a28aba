import type { Clock, Refusal, RefusalCounts, RefusalFlush } from '@breakwater/twin-runtime';

export interface RefusalTallyOptions {
  readonly counts: Pick<RefusalCounts, 'add'>;
  readonly clock: Clock;
  /** One life of this process. */
  readonly flusherId: string;
  /** Told of a flush that failed; it is repeated. */
  readonly onTrouble: (error: unknown) => void;
}

/** A kill of the gateway loses at most the counts of this long. */
const FLUSH_EVERY_MS = 1_000;
/** Lines that wait for the next flush; more tenants than that in one second are counted together. */
const LINES_MAX = 1_000;
const OTHERS = '(others)';

/**
 * Counts what was turned away before the log, by tenant and reason, and adds it to the counts of the installation once
 * a second, if there was anything. Under overload this is called for every message that is shed: it is one addition.
 */
export class RefusalTally {
  readonly #options: RefusalTallyOptions;
  readonly #stop = new AbortController();
  #waiting = new Map<string, { readonly tenant: string; readonly reason: string; count: number }>();
  /** On its way, or to be repeated: its outcome is not known. */
  #unconfirmed: RefusalFlush | null = null;
  #seq = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RefusalTallyOptions) {
    this.#options = options;
  }

  count(tenant: string, reason: string): void {
    const name = `${tenant} ${reason}`;
    const line = this.#waiting.get(name);
    if (line !== undefined) line.count += 1;
    else if (this.#waiting.size < LINES_MAX || tenant === OTHERS) this.#waiting.set(name, { tenant, reason, count: 1 });
    else this.count(OTHERS, reason);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Flushes what is left, once. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.flush();
    await this.flush();
  }

  async flush(): Promise<void> {
    this.#unconfirmed ??= this.#take();
    if (this.#unconfirmed === null) return;
    try {
      await this.#options.counts.add(this.#unconfirmed);
      this.#unconfirmed = null;
    } catch (error) {
      this.#options.onTrouble(error);
    }
  }

  #take(): RefusalFlush | null {
    if (this.#waiting.size === 0) return null;
    const refusals: Refusal[] = [...this.#waiting.values()];
    this.#waiting = new Map();
    this.#seq += 1;
    return { flusherId: this.#options.flusherId, seq: this.#seq, refusals };
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#options.clock.sleep(FLUSH_EVERY_MS, this.#stop.signal);
      await this.flush();
    }
  }
}
