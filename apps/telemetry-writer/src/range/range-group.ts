import type { Partition } from '@breakwater/twin';
import type { Clock, PartitionMembership } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import { RENEWALS_PER_LEASE, type TurnLease } from '../writer-turn.ts';

export interface RangeGroupOptions {
  /** Shares the ranges out, as shards are: the number of a range stands in the place of a partition's. */
  readonly membership: PartitionMembership;
  /** Held by all writers of one division together, and by the one writer of the undivided lane. */
  readonly division: TurnLease;
  readonly ranges: number;
  readonly leaseTtlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the group does with the ranges of this process. */
export interface RangeWork {
  begin(range: number): void;
  /** Stops in order: another process is to have the range. */
  end(range: number): Promise<void>;
  /** Another took the range, or works under another division of the lane. */
  lost(range: number): void;
}

/**
 * This process's share of the ranges. As with a single turn, leases only keep writers from taking ranges from each
 * other again and again, and the epochs in ClickHouse decide: so work goes on while leases cannot be asked for, and
 * ends when another has them. Writers of another division of the lane stand by until the last of this one has gone.
 */
export class RangeGroup {
  readonly #options: RangeGroupOptions;
  readonly #work: RangeWork;
  readonly #stop = new AbortController();
  readonly #begun = new Set<number>();
  readonly #ending = new Map<number, Promise<void>>();
  #running: Promise<void> = Promise.resolve();
  #stood = false;

  constructor(options: RangeGroupOptions, work: RangeWork) {
    this.#options = options;
    this.#work = work;
  }

  /** Ranges that this process works on, those that it is about to give away included. */
  get begun(): ReadonlySet<number> {
    return this.#begun;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Gives every range away, in order, and leaves. */
  async stop(): Promise<void> {
    const { membership, logger } = this.#options;
    this.#stop.abort();
    await this.#running;
    const left = [...this.#begun];
    try {
      await membership.retire();
      await Promise.all(left.map((range) => this.#giveAway(range)));
      await membership.leave();
    } catch (error) {
      logger.warn({ err: error }, 'the ranges could not be given away: their leases end by themselves');
    }
    await Promise.all(left.map((range) => this.#work.end(range)));
  }

  async #run(): Promise<void> {
    const { clock, leaseTtlMs } = this.#options;
    while (!this.#stop.signal.aborted) {
      await this.#renew();
      await clock.sleep(leaseTtlMs / RENEWALS_PER_LEASE, this.#stop.signal);
    }
  }

  async #renew(): Promise<void> {
    const { membership, logger } = this.#options;
    try {
      if (!(await this.#isOurDivision())) return;
      await membership.renew();
    } catch (error) {
      logger.warn({ err: error }, 'the leases of ranges could not be renewed; what is worked on goes on');
      return;
    }
    const { held, asked } = membership.claims;
    for (const range of this.#begun) {
      if (held.has(range as Partition) || this.#ending.has(range)) continue;
      this.#begun.delete(range);
      this.#work.lost(range);
    }
    for (const range of held.keys()) {
      if (asked.has(range)) void this.#giveAway(range);
      else if (!this.#begun.has(range) && !this.#stop.signal.aborted) this.#begin(range);
    }
  }

  async #isOurDivision(): Promise<boolean> {
    const { division, ranges, leaseTtlMs, logger } = this.#options;
    if (await division.acquire(`writers of ${ranges} ranges`, leaseTtlMs)) {
      this.#stood = false;
      return true;
    }
    for (const range of this.#begun) {
      this.#begun.delete(range);
      this.#work.lost(range);
    }
    if (!this.#stood) logger.warn({ ranges }, 'writers of another WRITER_RANGES work: this one stands by');
    this.#stood = true;
    return false;
  }

  #begin(range: number): void {
    this.#begun.add(range);
    this.#work.begin(range);
  }

  /** Once at a time; the lease goes when the work has ended. */
  #giveAway(range: number): Promise<void> {
    const known = this.#ending.get(range);
    if (known !== undefined) return known;
    const ending = this.#endAndRelease(range).finally(() => this.#ending.delete(range));
    this.#ending.set(range, ending);
    return ending;
  }

  async #endAndRelease(range: number): Promise<void> {
    const { membership, logger } = this.#options;
    try {
      if (this.#begun.has(range)) await this.#work.end(range);
      this.#begun.delete(range);
      await membership.release(range as Partition);
    } catch (error) {
      this.#begun.delete(range);
      logger.warn({ err: error, range }, 'the lease of a range could not be given away: it ends by itself');
    }
  }
}
