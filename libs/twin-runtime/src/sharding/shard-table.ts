import type { Partition } from '@breakwater/twin';

import { PlatformError } from '../platform-error.ts';
import type { ShardEnd } from '../region-observer.ts';
import type { RegionParts } from './region-parts.ts';
import type { Shard } from './shard.ts';
import { SuspectRecords } from './suspect-records.ts';
import type { TwinCache } from './twin-cache.ts';

interface Rest {
  readonly untilMs: number;
  readonly durationMs: number;
}

/** The shards of a region and what outlives each of them: the cache, suspicions, rests between two lives. */
export class ShardTable {
  readonly cache: TwinCache;
  readonly suspects = new SuspectRecords();
  readonly #parts: RegionParts;
  readonly #shards = new Map<Partition, Shard>();
  readonly #rests = new Map<Partition, Rest>();
  /** Partitions that wait for an operator. Their lease is kept, so that they are not passed around. */
  readonly #stopped = new Map<Partition, PlatformError>();
  /** When those of them are looked at again that an operator may set right from outside. */
  readonly #lookAgainAtMs = new Map<Partition, number>();
  #onEnd: () => void = () => {};

  constructor(parts: RegionParts) {
    this.#parts = parts;
    this.cache = parts.cache;
  }

  get shards(): Iterable<Shard> {
    return this.#shards.values();
  }

  get stopped(): ReadonlyMap<Partition, PlatformError> {
    return this.#stopped;
  }

  /** Called when a shard ended and might start again. */
  set onEnd(listener: () => void) {
    this.#onEnd = listener;
  }

  shardOf(partition: Partition): Shard | null {
    return this.#shards.get(partition) ?? null;
  }

  /** Shards that may take records. One whose outbox is full waits until some of it is confirmed. */
  ready(): Shard[] {
    const ready: Shard[] = [];
    for (const shard of this.#shards.values()) {
      if (!shard.isRunning) continue;
      if (shard.outbox.isFull) void shard.outbox.refresh();
      else ready.push(shard);
    }
    return ready;
  }

  add(shard: Shard): void {
    this.#stopped.delete(shard.partition);
    this.#lookAgainAtMs.delete(shard.partition);
    this.#shards.set(shard.partition, shard);
    this.#parts.observer.shardStarted(shard.partition, shard.ownership);
  }

  /** Ends a shard with everything that it holds in memory. Only the store's view of it is left. */
  end(shard: Shard, how: ShardEnd, error: unknown = null): void {
    if (!shard.isAlive) return;
    shard.end();
    this.cache.drop(shard.twins);
    this.#shards.delete(shard.partition);
    if (how === 'suspect') this.suspects.suspect(shard.partition);
    this.#parts.observer.shardEnded(shard.partition, how, error);
    this.#rest(shard.partition);
    this.#onEnd();
  }

  /** Ends a partition's work here until an operator has looked at it: going on would be wrong, not just slow. */
  stopLoudly(partition: Partition, error: unknown): void {
    const known = error as { readonly code?: unknown; readonly message?: unknown };
    const code = typeof known.code === 'string' ? known.code : 'INTERNAL';
    const message = `partition ${partition} stopped: ${String(known.message ?? error)}`;
    const reason = error instanceof PlatformError ? error : new PlatformError(code, message, { cause: error });
    this.#stopped.set(partition, reason);
    const shard = this.#shards.get(partition);
    if (shard === undefined) this.#parts.observer.shardEnded(partition, 'stopped', reason);
    else this.end(shard, 'stopped', reason);
  }

  /** Ends a partition's work here until something outside is done, and looks now and then whether it is. */
  waitFor(partition: Partition, reason: PlatformError): void {
    const isNews = this.#stopped.get(partition)?.code !== reason.code;
    if (isNews) this.stopLoudly(partition, reason);
    this.#lookAgainAtMs.set(partition, this.#parts.clock.nowMs() + this.#parts.limits.retakeMaxMs);
  }

  /** Stopped, and nothing is to be tried now. */
  isStopped(partition: Partition): boolean {
    if (!this.#stopped.has(partition)) return false;
    return (this.#lookAgainAtMs.get(partition) ?? Infinity) > this.#parts.clock.nowMs();
  }

  /** The partition is another member's now; it may look at it with other eyes. */
  forget(partition: Partition): void {
    this.#stopped.delete(partition);
    this.#lookAgainAtMs.delete(partition);
    this.#rests.delete(partition);
  }

  mayStart(partition: Partition): boolean {
    if (this.isStopped(partition) || this.#shards.has(partition)) return false;
    return (this.#rests.get(partition)?.untilMs ?? 0) <= this.#parts.clock.nowMs();
  }

  /** A commit went through: the next end of this shard starts with the shortest rest again. */
  progressed(partition: Partition): void {
    this.#rests.delete(partition);
  }

  #rest(partition: Partition): void {
    const { limits, clock } = this.#parts;
    const before = this.#rests.get(partition)?.durationMs ?? limits.retakeMs / 2;
    const durationMs = Math.min(2 * before, limits.retakeMaxMs);
    this.#rests.set(partition, { durationMs, untilMs: clock.nowMs() + durationMs });
  }
}
