import type { Epoch, Partition } from '@breakwater/twin';

import type { OutboxEntry } from '../ports/twin-store.ts';
import type { RegionParts } from './region-parts.ts';

interface Waiting {
  readonly entry: OutboxEntry;
  notBeforeMs: number;
  retryMs: number;
}

export interface OutboxPumpOptions {
  readonly partition: Partition;
  readonly epoch: Epoch;
  readonly parts: RegionParts;
  /** What earlier owners committed and nobody has confirmed. */
  readonly found: readonly OutboxEntry[];
}

/**
 * Does what a shard's commits left to be done, in order, at least once. An entry leaves memory when it is confirmed:
 * by the dispatcher's answer, or by somebody else in the store, which `refresh` finds out before anything is repeated.
 */
export class OutboxPump {
  readonly #options: OutboxPumpOptions;
  readonly #waiting = new Map<string, Waiting>();
  #running = false;
  #refreshing = false;
  #stopped = false;

  constructor(options: OutboxPumpOptions) {
    this.#options = options;
    this.add(options.found);
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** The shard applies nothing more until some entries are confirmed. */
  get isFull(): boolean {
    return this.#waiting.size >= this.#options.parts.limits.outboxPerShardMax;
  }

  add(entries: readonly OutboxEntry[]): void {
    const { outboxRetryMs } = this.#options.parts.limits;
    for (const entry of entries) {
      if (!this.#waiting.has(entry.id)) {
        this.#waiting.set(entry.id, { entry, notBeforeMs: 0, retryMs: outboxRetryMs });
      }
    }
    this.#start();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Forgets what was confirmed in the store, takes up what memory had no room for, and repeats what is due. */
  async refresh(): Promise<void> {
    if (this.#refreshing || this.#stopped || this.#waiting.size === 0) return;
    this.#refreshing = true;
    try {
      const { partition, parts } = this.#options;
      const limit = 2 * parts.limits.outboxPerShardMax;
      // What is committed while the store answers is not in the answer: only what was here before can be missing in it.
      const before = [...this.#waiting.keys()];
      const stored = await parts.store.outbox(partition, limit);
      const kept = new Set(stored.map(({ id }) => id));
      if (stored.length < limit) for (const id of before) if (!kept.has(id)) this.#waiting.delete(id);
      this.add(stored.slice(0, parts.limits.outboxPerShardMax));
    } catch (error) {
      this.#options.parts.observer.failed('outbox', error);
    } finally {
      this.#refreshing = false;
    }
  }

  #start(): void {
    if (!this.#running && !this.#stopped) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (let due = this.#takeDue(); due.length > 0 && !this.#stopped; due = this.#takeDue())
        await this.#dispatch(due);
    } finally {
      this.#running = false;
    }
  }

  async #dispatch(entries: readonly OutboxEntry[]): Promise<void> {
    const { partition, epoch, parts } = this.#options;
    try {
      const done = await parts.effects.dispatch(partition, epoch, entries);
      if (done.length === 0) return;
      await parts.store.confirmOutbox(partition, done);
      for (const id of done) this.#waiting.delete(id);
    } catch (error) {
      // They stay, and are due again after their rest.
      parts.observer.failed('outbox', error);
    }
  }

  #takeDue(): readonly OutboxEntry[] {
    const { clock, limits } = this.#options.parts;
    const nowMs = clock.nowMs();
    const due: OutboxEntry[] = [];
    for (const waiting of this.#waiting.values()) {
      if (waiting.notBeforeMs > nowMs) continue;
      waiting.notBeforeMs = nowMs + waiting.retryMs;
      waiting.retryMs = Math.min(2 * waiting.retryMs, limits.outboxRetryMaxMs);
      if (due.push(waiting.entry) === limits.outboxPerDispatchMax) break;
    }
    return due;
  }
}
