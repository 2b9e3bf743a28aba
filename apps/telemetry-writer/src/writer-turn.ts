import type { Clock } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

/** Who of several writers works; kept in a store that all of them reach. */
export interface TurnLease {
  /** True when this writer now holds the lease; one that it held already is renewed. */
  acquire(writer: string, ttlMs: number): Promise<boolean>;
  /** Without effect when another holds it. */
  release(writer: string): Promise<void>;
}

export interface WriterTurnOptions {
  readonly lease: TurnLease;
  readonly writer: string;
  readonly leaseTtlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** So often in a lease time a writer renews, its turn or its ranges. */
export const RENEWALS_PER_LEASE = 5;

/**
 * One writer works, others stand by and take over when it has left or was not heard of for a lease time. What makes a
 * wrong turn harmless is the epoch in ClickHouse: the lease only keeps two writers from taking the lane from each other
 * again and again. So a writer goes on while the lease cannot be asked for, and ends only when another has it.
 */
export class WriterTurn {
  readonly #options: WriterTurnOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isHeld = false;

  constructor(options: WriterTurnOptions) {
    this.#options = options;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** `begun` is called once, when it is this writer's turn; `lost`, at most once and after it, when another took it. */
  start(begun: () => void, lost: () => void): void {
    this.#running = this.#run(begun, lost);
  }

  /** Gives the turn away. To be called when the work has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    const { lease, writer, logger } = this.#options;
    try {
      await lease.release(writer);
    } catch (error) {
      logger.warn({ err: error }, 'the turn could not be given away: it ends by itself');
    }
  }

  async #run(begun: () => void, lost: () => void): Promise<void> {
    const { clock, leaseTtlMs, logger, writer } = this.#options;
    let saidSo = false;
    while (!this.#stop.signal.aborted) {
      const mine = await this.#ask();
      if (mine === true && !this.#isHeld) {
        this.#isHeld = true;
        begun();
      } else if (mine === false && this.#isHeld) {
        this.#isHeld = false;
        lost();
        return;
      } else if (mine === false && !saidSo) {
        saidSo = true;
        logger.info({ writer }, 'another telemetry-writer works: this one stands by');
      }
      await clock.sleep(leaseTtlMs / RENEWALS_PER_LEASE, this.#stop.signal);
    }
  }

  /** Null when it could not be learned. */
  async #ask(): Promise<boolean | null> {
    const { lease, writer, leaseTtlMs, logger } = this.#options;
    try {
      return await lease.acquire(writer, leaseTtlMs);
    } catch (error) {
      logger.warn({ err: error }, 'it could not be asked whose turn it is; a writer that works goes on');
      return null;
    }
  }
}
