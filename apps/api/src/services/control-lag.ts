import { Inject, Injectable } from '@nestjs/common';
import type { Partition } from '@breakwater/twin';
import type { Clock, EventLog, TwinStore } from '@breakwater/twin-runtime';

import { CLOCK, EVENT_LOG, TWIN_STORE } from '../api-ports.ts';

const CACHE_MS = 250;

interface Measured {
  readonly atMs: number;
  readonly lagMs: Promise<number>;
}

/** How far the owner of a shard is behind in its control lane: the age of the oldest record that it has not applied. */
@Injectable()
export class ControlLag {
  readonly #measured = new Map<Partition, Measured>();
  #reading: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
  ) {}

  /** Measured at most once per quarter of a second and partition, however many writes ask. */
  lagMs(partition: Partition): Promise<number> {
    const nowMs = this.clock.nowMs();
    const known = this.#measured.get(partition);
    if (known !== undefined && nowMs - known.atMs < CACHE_MS) return known.lagMs;
    const lagMs = this.#measure(partition);
    this.#measured.set(partition, { atMs: nowMs, lagMs });
    lagMs.catch(() => this.#measured.delete(partition));
    return lagMs;
  }

  async #measure(partition: Partition): Promise<number> {
    // The reader is asked before the log's end, or a record that is applied in between would look like a negative lag.
    const { positions } = await this.twins.ledger(partition);
    const bounds = await this.log.bounds('control', partition);
    if (positions.control >= bounds.end) return 0;
    if (positions.control < bounds.first) return Number.POSITIVE_INFINITY;
    const [batch] = await this.#read(partition, positions.control);
    const oldest = batch?.frames[0];
    return oldest === undefined ? 0 : Math.max(0, this.clock.nowMs() - oldest.appendedAtMs);
  }

  /** The log's reader takes one caller at a time. */
  #read(partition: Partition, from: number): ReturnType<EventLog['read']> {
    const request = { lane: 'control', partition, from } as Parameters<EventLog['read']>[0][number];
    const read = this.#reading.then(() => this.log.read([request], { framesMaxPerPartition: 1, waitMs: 0 }));
    this.#reading = read.catch(() => undefined);
    return read;
  }
}
