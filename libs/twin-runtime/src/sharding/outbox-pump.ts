import type { DeviceKey, Epoch, Partition } from '@breakwater/twin';

import { isAnswer } from '../outbox-payload.ts';
import type { OutboxEntry } from '../ports/twin-store.ts';
import type { RuntimeLimits } from '../runtime-limits.ts';
import type { RegionParts } from './region-parts.ts';

interface Waiting {
  readonly entry: OutboxEntry;
  sent: boolean;
  givenUp: boolean;
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
 *
 * One device must not stop the others of its shard. When more than a few downlinks of one twin are unconfirmed, its
 * oldest answers are confirmed instead of repeated; the device asks again, or does not care. Desired values are always
 * repeated: each holds a part of the state only, and a device that missed one would wait for it until it reconnects.
 * The same holds for dead letters that find no room: a device that sends nonsense must not fill the history's part.
 */
export class OutboxPump {
  readonly #options: OutboxPumpOptions;
  readonly #waiting = new Map<string, Waiting>();
  /** Unconfirmed downlinks, and dead letters, by twin. */
  readonly #perTwin = { downlink: new Map<DeviceKey, number>(), deadLetter: new Map<DeviceKey, number>() } as const;
  #bytes = 0;
  /** Entries that wait for the history, and their bytes. */
  #history = 0;
  #historyBytes = 0;
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
    const { outboxPerShardMax, outboxBytesPerShardMax } = this.#options.parts.limits;
    return this.#waiting.size - this.#history >= outboxPerShardMax || this.#bytes >= outboxBytesPerShardMax;
  }

  /**
   * The shard applies nothing more of the control lane until the history has taken some entries. It goes on with
   * telemetry, which brings forth hardly any: where that lane is full because this shard is behind, it alone drains it.
   */
  get isHistoryFull(): boolean {
    const { outboxHistoryPerShardMax, outboxBytesPerShardMax } = this.#options.parts.limits;
    return this.#history >= outboxHistoryPerShardMax || this.#historyBytes >= outboxBytesPerShardMax;
  }

  add(entries: readonly OutboxEntry[]): void {
    const { outboxRetryMs } = this.#options.parts.limits;
    for (const entry of entries) {
      if (this.#waiting.has(entry.id)) continue;
      this.#waiting.set(entry.id, { entry, sent: false, givenUp: false, notBeforeMs: 0, retryMs: outboxRetryMs });
      this.#count(entry, 1);
      this.#countPerTwin(entry, 1);
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
      const limit = outboxReadMax(parts.limits);
      // What is committed while the store answers is not in the answer: only what was here before can be missing in it.
      const before = [...this.#waiting.keys()];
      const stored = await parts.store.outbox(partition, limit);
      const kept = new Set(stored.map(({ id }) => id));
      if (stored.length < limit) for (const id of before) if (!kept.has(id)) this.#forget(id);
      this.add(stored);
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

  async #dispatch(due: readonly Waiting[]): Promise<void> {
    const { partition, epoch, parts } = this.#options;
    const givenUp = due.filter((waiting) => waiting.givenUp).map(({ entry }) => entry);
    const entries = due.filter((waiting) => !waiting.givenUp).map(({ entry }) => entry);
    try {
      const carriedOut = entries.length === 0 ? [] : await parts.effects.dispatch(partition, epoch, entries);
      const done = [...givenUp.map(({ id }) => id), ...carriedOut];
      if (done.length === 0) return;
      await parts.store.confirmOutbox(partition, done);
      for (const id of done) this.#forget(id);
      const answers = givenUp.filter(({ kind }) => kind === 'downlink').length;
      if (answers > 0) parts.observer.answersGivenUp(partition, answers);
      if (givenUp.length > answers) parts.observer.deadLettersGivenUp(partition, givenUp.length - answers);
    } catch (error) {
      // They stay, and are due again after their rest.
      parts.observer.failed('outbox', error);
    }
  }

  #takeDue(): readonly Waiting[] {
    const { clock, limits } = this.#options.parts;
    const nowMs = clock.nowMs();
    const due: Waiting[] = [];
    for (const waiting of this.#waiting.values()) {
      if (waiting.notBeforeMs > nowMs) continue;
      waiting.notBeforeMs = nowMs + waiting.retryMs;
      waiting.retryMs = Math.min(2 * waiting.retryMs, limits.outboxRetryMaxMs);
      if (this.#isTooMuch(waiting)) this.#giveUp(waiting);
      waiting.sent = true;
      if (due.push(waiting) === limits.outboxPerDispatchMax) break;
    }
    return due;
  }

  /** Only what was sent once: a device that takes what it is sent gets every answer, however many come at once. */
  #isTooMuch({ entry, sent, givenUp }: Waiting): boolean {
    if (!sent || givenUp) return false;
    const { downlinksPerTwinMax, deadLettersPerTwinMax } = this.#options.parts.limits;
    const { downlink, deadLetter } = this.#perTwin;
    if (entry.kind === 'deadLetter') return (deadLetter.get(entry.key) ?? 0) > deadLettersPerTwinMax;
    return entry.kind === 'downlink' && (downlink.get(entry.key) ?? 0) > downlinksPerTwinMax && isAnswer(entry);
  }

  #giveUp(waiting: Waiting): void {
    waiting.givenUp = true;
    this.#countPerTwin(waiting.entry, -1);
  }

  #forget(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { entry, givenUp } = waiting;
    this.#waiting.delete(id);
    this.#count(entry, -1);
    if (!givenUp) this.#countPerTwin(entry, -1);
  }

  #count(entry: OutboxEntry, change: 1 | -1): void {
    const bytes = change * bytesOf(entry);
    if (entry.kind === 'command' || entry.kind === 'deadLetter') {
      this.#history += change;
      this.#historyBytes += bytes;
    } else this.#bytes += bytes;
  }

  #countPerTwin({ kind, key }: OutboxEntry, change: 1 | -1): void {
    if (kind !== 'downlink' && kind !== 'deadLetter') return;
    const counts = this.#perTwin[kind];
    const count = (counts.get(key) ?? 0) + change;
    if (count > 0) counts.set(key, count);
    else counts.delete(key);
  }
}

/** How many entries of a shard are read at once: all that may wait. */
export function outboxReadMax({ outboxPerShardMax, outboxHistoryPerShardMax }: RuntimeLimits): number {
  return outboxPerShardMax + outboxHistoryPerShardMax;
}

/**
 * What an entry counts for. A dead letter goes into the telemetry lane, which drains only while the shard goes on:
 * the number of entries alone bounds those.
 */
function bytesOf({ kind, payload }: OutboxEntry): number {
  return kind === 'deadLetter' ? 0 : payload.length;
}
