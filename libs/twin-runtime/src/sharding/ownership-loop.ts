import { assert, type LogId, type Partition } from '@breakwater/twin';

import { PlatformError } from '../platform-error.ts';
import { LANES } from '../ports/event-log.ts';
import type { Ownership } from '../ports/twin-store.ts';
import { outboxReadMax } from './outbox-pump.ts';
import type { RegionParts } from './region-parts.ts';
import { Shard } from './shard.ts';
import type { ShardTable } from './shard-table.ts';
import type { StoreWatch } from './store-watch.ts';

/** How often a drain looks whether its last batch is settled. */
const DRAIN_POLL_MS = 5;
/** This owner is one no longer, or soon. */
const STALE = 'STALE_EPOCH';

/**
 * Who works on what. The group says which partitions are this member's; it starts their shards, and hands over what
 * others are to have: it stops applying, waits for its commit in flight, ends the shard and only then releases.
 *
 * Nothing here makes a double owner impossible: clocks and networks do not allow that. It makes one rare, and the
 * epoch, which every commit carries, makes it harmless (ADR 0002).
 */
export class OwnershipLoop {
  readonly #parts: RegionParts;
  readonly #table: ShardTable;
  readonly #watch: Pick<StoreWatch, 'reach'> | null;
  /** Claims that a shard was started for, or may be. */
  readonly #taken = new Set<Partition>();
  readonly #releasing = new Map<Partition, Promise<void>>();
  #wake = new AbortController();
  #logId: LogId | null = null;

  constructor(parts: RegionParts, table: ShardTable, watch: Pick<StoreWatch, 'reach'> | null = null) {
    this.#parts = parts;
    this.#table = table;
    this.#watch = watch;
    table.onEnd = () => this.#wake.abort();
    parts.membership.onChange(() => {
      // At once: a look that is under way may wait for a store that says nothing.
      this.#releaseAsked();
      this.#wake.abort();
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, limits, observer } = this.#parts;
    signal.addEventListener('abort', () => this.#wake.abort(), { once: true });
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let complete = false;
      try {
        complete = await this.#tick(signal);
      } catch (error) {
        observer.failed('ownership', error);
        this.#endLost();
      }
      const restMs = complete ? limits.heartbeatMs : limits.acquireRetryMs;
      // An ended shard rests before it starts again, so waking up earlier than that would be for nothing.
      if (!signal.aborted) await clock.sleep(restMs, this.#wake.signal);
      if (this.#wake.signal.aborted && !signal.aborted) await clock.sleep(limits.retakeMs, signal);
    }
  }

  /** Hands everything over and leaves. */
  async leave(): Promise<void> {
    const { membership, observer } = this.#parts;
    try {
      await membership.retire();
    } catch (error) {
      // Then the others learn of it when they find its partitions free.
      observer.failed('retire', error);
    }
    const partitions = new Set([...membership.claims.held.keys(), ...this.#taken, ...this.#releasing.keys()]);
    await Promise.all([...partitions].map((partition) => this.#release(partition)));
    try {
      await membership.leave();
    } catch (error) {
      // The others miss its heartbeat soon.
      observer.failed('leave', error);
    }
  }

  /** Answers whether this member has everything that it should have. */
  async #tick(signal: AbortSignal): Promise<boolean> {
    const { membership } = this.#parts;
    await this.#checkLog();
    await membership.renew();
    this.#endLost();
    const { held, asked, complete } = membership.claims;
    this.#releaseAsked();
    const mine = [...held.keys()].filter((partition) => !asked.has(partition));
    const working = await Promise.all(mine.map((partition) => this.#take(partition, signal)));
    this.#endLost();
    return complete && working.every(Boolean);
  }

  /** Starts the shard of a partition of ours where there is none. Never rejects. */
  async #take(partition: Partition, signal: AbortSignal): Promise<boolean> {
    if (this.#releasing.has(partition)) return false;
    this.#taken.add(partition);
    if (this.#table.isStopped(partition)) return true;
    try {
      const shard = this.#table.shardOf(partition);
      if (shard !== null) await this.#compareWithStore(shard);
      else if (this.#table.mayStart(partition) && !signal.aborted) await this.#start(partition, signal);
    } catch (error) {
      // It is tried again. Thrown on, because one node of the store is away, the next look would begin while starts of
      // this one are under way: a shard would be started twice.
      this.#parts.observer.failed('ownership', error);
    }
    return this.#table.stopped.has(partition) || this.#table.shardOf(partition) !== null;
  }

  async #start(partition: Partition, signal: AbortSignal): Promise<void> {
    const { store, memberId, random, limits } = this.#parts;
    const logId = this.#logId;
    assert(logId !== null, 'the log is known before a shard starts');
    let ownership: Ownership;
    try {
      ownership = await store.takeOwnership(partition, `${memberId}:${random.id()}`);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'SHARD_RESTORING') throw error;
      if (!this.#mayWork(partition)) return;
      this.#table.waitFor(partition, error);
      return;
    }
    const problem = await this.#problemOf(partition, ownership, logId);
    // The store may have answered late, when the partition was another's.
    if (problem === STALE || !this.#mayWork(partition)) return;
    if (problem?.code === 'TWIN_STORE_EMPTY') this.#table.waitFor(partition, problem);
    else if (problem !== null) this.#table.stopLoudly(partition, problem);
    if (problem !== null) return;
    const outbox = await store.outbox(partition, outboxReadMax(limits));
    // The claim may have been lost while the store answered; then the next owner has its epoch already, or will.
    if (signal.aborted || !this.#mayWork(partition)) return;
    const suspect = this.#table.suspects.takeSuspicion(partition);
    this.#parts.membership.committed(partition, ownership.positions);
    this.#table.add(new Shard({ partition, ownership, logId, outbox, parts: this.#parts, suspect }));
  }

  /**
   * A store may lose its last commits when a replica takes over from its primary. The next commit would be refused; a
   * shard that has nothing to do would never notice, and readers would see its twins as they were.
   */
  async #compareWithStore(shard: Shard): Promise<void> {
    const { committed } = shard;
    const { positions } = await this.#parts.store.ledger(shard.partition);
    if (LANES.some((lane) => positions[lane] < committed[lane])) this.#table.end(shard, 'storeWentBack');
  }

  /** Positions that do not belong to the present log, or that it does not have: going on would skip in silence. */
  async #problemOf(
    partition: Partition,
    ownership: Ownership,
    logId: LogId,
  ): Promise<PlatformError | typeof STALE | null> {
    const { logId: stored, positions } = ownership;
    if (stored !== null && stored !== logId) return this.#logChanged(stored, logId);
    for (const lane of LANES) {
      const { first, end } = await this.#parts.log.bounds(lane, partition);
      const position = positions[lane];
      if (position >= first && position <= end) continue;
      // Another owner may have gone on, and the log been trimmed behind it, since this one asked: then it is just late.
      const now = await this.#parts.store.ledger(partition);
      if (now.positions[lane] !== position) return STALE;
      const details = { lane, partition, position, first, end };
      if (stored === null && position < first) {
        const message =
          `the twin store has nothing of partition ${partition}, and its log has forgotten all before ${first}: ` +
          'bring the twins back with `breakwater rebuild`';
        return new PlatformError('TWIN_STORE_EMPTY', message, { details });
      }
      return new PlatformError('POSITION_OUT_OF_RANGE', `${lane} of partition ${partition} has no ${position}`, {
        details,
      });
    }
    return null;
  }

  /** A log that was recreated under a running region would give other records under the same offsets. */
  async #checkLog(): Promise<void> {
    const logId = await this.#parts.log.logId();
    if (this.#logId !== null && this.#logId !== logId) {
      const error = this.#logChanged(this.#logId, logId);
      for (const shard of [...this.#table.shards]) this.#table.stopLoudly(shard.partition, error);
    }
    this.#logId = logId;
  }

  #logChanged(stored: LogId, present: LogId): PlatformError {
    const details = { stored, present };
    return new PlatformError('LOG_CHANGED', 'the stored positions belong to another log than the present one', {
      details,
    });
  }

  #mayWork(partition: Partition): boolean {
    const { held, asked } = this.#parts.membership.claims;
    return this.#isHeld(partition, held) && !asked.has(partition);
  }

  #isHeld(partition: Partition, held: ReadonlyMap<Partition, number>): boolean {
    return (held.get(partition) ?? 0) > this.#parts.clock.nowMs();
  }

  #endLost(): void {
    const { held } = this.#parts.membership.claims;
    for (const partition of [...this.#taken]) if (!this.#isHeld(partition, held)) this.#lost(partition);
  }

  #lost(partition: Partition): void {
    this.#taken.delete(partition);
    const shard = this.#table.shardOf(partition);
    if (shard !== null) this.#table.end(shard, 'leaseLost');
    this.#table.forget(partition);
  }

  #releaseAsked(): void {
    for (const partition of this.#parts.membership.claims.asked) void this.#release(partition);
  }

  /** The hand-off. */
  #release(partition: Partition): Promise<void> {
    const running = this.#releasing.get(partition);
    if (running !== undefined) return running;
    const release = this.#drainAndRelease(partition).finally(() => this.#releasing.delete(partition));
    this.#releasing.set(partition, release);
    return release;
  }

  async #drainAndRelease(partition: Partition): Promise<void> {
    const { membership, clock, limits, observer } = this.#parts;
    const shard = this.#table.shardOf(partition);
    if (shard !== null) {
      shard.draining = true;
      const untilMs = clock.nowMs() + limits.drainMaxMs;
      const isUnsettled = (): boolean => shard.uncommitted > 0 && shard.isAlive && clock.nowMs() < untilMs;
      // Nothing settles where the store does not answer, and whoever reaches it waits for the shard.
      while (isUnsettled() && this.#watch?.reach !== 'away') await clock.sleep(DRAIN_POLL_MS);
      this.#table.end(shard, 'handedOff');
    }
    this.#taken.delete(partition);
    this.#table.forget(partition);
    try {
      await membership.release(partition);
    } catch (error) {
      // It ends by itself.
      observer.failed('release', error);
    }
  }
}
