import type { Offset } from '@breakwater/twin';

import type { ShardCommit } from '../ports/twin-store.ts';
import { controlFirst } from './control-first.ts';
import { LogReader } from './log-reader.ts';
import type { MailboxRecord } from './mailbox.ts';
import type { RegionParts } from './region-parts.ts';
import type { Shard } from './shard.ts';
import { type BatchShare, chooseRecords, ShardBatch } from './shard-batch.ts';
import type { ShardTable } from './shard-table.ts';

/** A batch that is computed, with what is to be stored of it. */
interface Computed {
  readonly batch: ShardBatch;
  readonly commit: ShardCommit;
}

const INVARIANT_BROKEN = 'TWIN_INVARIANT_BROKEN';
/** How often a region without a shard that may work looks for one. */
const IDLE_MS = 20;

/**
 * The one loop of a region. Each turn reads for all shards, computes a batch of each, and stores all of them in one
 * round trip. While a commit is on its way the next batch is read and computed on top of it; the next commit waits.
 * So a shard's commits are stored in the order in which they were computed, each from the positions where the last one
 * ended, and a commit that fails takes with it everything that was computed on top of it: the shard ends.
 */
export class CommitLoop {
  readonly #parts: RegionParts;
  readonly #table: ShardTable;
  readonly #reader: LogReader;
  #inFlight: Promise<void> = Promise.resolve();
  /** Where the last turn began to share out; the next begins one further. */
  #first = 0;

  constructor(parts: RegionParts, table: ShardTable) {
    this.#parts = parts;
    this.#table = table;
    this.#reader = new LogReader(parts, table);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { limits, clock, random, observer } = this.#parts;
    let restMs = limits.failureRestMs;
    while (!signal.aborted) {
      try {
        await this.#turn(signal);
        restMs = limits.failureRestMs;
      } catch (error) {
        observer.failed('commit loop', error);
        await clock.sleep(restMs * (0.5 + random.next()), signal);
        restMs = Math.min(2 * restMs, limits.failureRestMaxMs);
      }
    }
    await this.#inFlight;
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { limits, clock } = this.#parts;
    const ready = this.#table.ready();
    if (ready.length === 0) {
      await clock.sleep(IDLE_MS, signal);
      return;
    }
    await this.#reader.fill(ready);
    const suspect = ready.find((shard) => shard.isRunning && shard.suspectRecordsLeft > 0 && shard.hasMail);
    if (suspect !== undefined) await this.#stepOne(suspect);
    const applied = await this.#turnOfAll(ready.filter((shard) => shard.suspectRecordsLeft === 0));
    const idle = applied < limits.lingerBelowRecords && !ready.some((shard) => shard.isRunning && shard.hasMail);
    if (applied > 0 && idle) await clock.sleep(limits.lingerMs, signal);
  }

  /** One batch of each shard. Answers how many records were applied. */
  async #turnOfAll(shards: readonly Shard[]): Promise<number> {
    const batches = this.#choose(shards);
    if (batches.length === 0) return 0;
    let computed: Computed[];
    try {
      computed = (await this.#loadAll(batches)).flatMap((batch) => this.#compute(batch));
      await this.#inFlight;
    } catch (error) {
      for (const batch of batches) batch.release();
      throw error;
    }
    // A commit that failed meanwhile has taken its shard, and what was computed on top of it, with it.
    const standing = computed.filter(({ batch }) => batch.shard.isAlive || this.#giveUp(batch));
    if (standing.length > 0) this.#inFlight = this.#commit(standing);
    return standing.reduce((sum, { batch }) => sum + batch.appliedRecords, 0);
  }

  /**
   * One record of a shard in which something kills its process, or can not be committed. It goes entirely alone, so
   * that an attempt is counted for it and for no other, and is counted in the store before it is made.
   */
  async #stepOne(shard: Shard): Promise<void> {
    await this.#inFlight;
    const [batch] = shard.isRunning ? this.#chooseFor(shard, SINGLE) : [];
    if (batch === undefined) return;
    const { limits } = this.#parts;
    const { partition } = shard;
    const place = batch.firstRecord;
    try {
      // Everything that may fail for other reasons comes before the attempt is counted.
      await this.#load(batch);
      let condemnation = this.#table.suspects.condemnation(partition, place);
      const attempts = await this.#noteAttempt(shard, place);
      if (attempts > limits.recordAttemptsMax) condemnation ??= 'MESSAGE_POISONOUS';
      const computed = this.#compute(batch, condemnation);
      if (attempts > 1 && condemnation === null) await this.#absolve(shard, place);
      if (computed.length > 0) await this.#commit(computed);
      // What was looked for is found, or lies further on.
      shard.suspectRecordsLeft = condemnation === null ? shard.suspectRecordsLeft - 1 : 0;
    } catch (error) {
      batch.release();
      throw error;
    }
  }

  async #noteAttempt(shard: Shard, { lane, offset }: MailboxRecord): Promise<number> {
    const { store, memberId } = this.#parts;
    const attempt = { lane, offset, processId: memberId };
    try {
      return await store.noteAttempt(shard.partition, shard.ownership.epoch, attempt);
    } catch (error) {
      // It may have been counted, and nothing was tried.
      await this.#absolve(shard, attempt);
      throw error;
    }
  }

  /**
   * The process has applied the record, or not even tried, and lives: should the commit be lost, that is not the
   * record's fault. An attempt at the next place makes the store forget the count of this one.
   */
  async #absolve(shard: Shard, { lane, offset }: Pick<MailboxRecord, 'lane' | 'offset'>): Promise<void> {
    const { store, observer, memberId } = this.#parts;
    const next = { lane, offset: (offset + 1) as Offset, processId: memberId };
    try {
      await store.noteAttempt(shard.partition, shard.ownership.epoch, next);
    } catch (error) {
      observer.failed('attempt', error);
    }
  }

  /** Control of every shard first, then telemetry by turns, within what one batch may hold. */
  #choose(shards: readonly Shard[]): ShardBatch[] {
    const { limits } = this.#parts;
    this.#first++;
    const waiting = controlFirst(
      shards.filter((shard) => shard.isRunning && shard.hasMail),
      this.#first,
    );
    const share = Math.max(limits.recordsPerShardMin, Math.floor(limits.recordsPerBatchMax / (waiting.length || 1)));
    const bytesMax = limits.bytesPerBatchMax / (waiting.length || 1);
    let left = limits.recordsPerBatchMax;
    const batches: ShardBatch[] = [];
    for (const shard of waiting) {
      if (left <= 0) break;
      const most = Math.min(left, shard.isCareful ? limits.suspectRecords : left);
      const records = { control: most, telemetry: Math.min(share, most) };
      const chosen = this.#chooseFor(shard, { records, bytesMax, twinsMax: limits.twinsPerCommitMax });
      for (const batch of chosen) left -= batch.size;
      batches.push(...chosen);
    }
    return batches;
  }

  #chooseFor(shard: Shard, share: BatchShare): ShardBatch[] {
    try {
      const records = chooseRecords(shard, share);
      return records.length === 0 ? [] : [new ShardBatch(shard, records, this.#parts, this.#table.cache)];
    } catch (error) {
      // A record of a version that this build must not touch.
      this.#table.stopLoudly(shard.partition, error);
      return [];
    }
  }

  /**
   * Answers the batches whose twins are there. When some are not, because the node of the store that has them is away,
   * their shards end: the others go on without them.
   */
  async #loadAll(batches: readonly ShardBatch[]): Promise<readonly ShardBatch[]> {
    const outcomes = await Promise.allSettled(batches.map((batch) => this.#load(batch)));
    const failures = outcomes.flatMap((outcome, at) =>
      outcome.status === 'rejected' ? [{ batch: batches[at]!, error: outcome.reason as unknown }] : [],
    );
    if (failures.length === 0) return batches;
    if (failures.length === batches.length) throw failures[0]!.error;
    for (const { batch, error } of failures) {
      batch.release();
      this.#table.end(batch.shard, 'loadFailed', error);
    }
    return batches.filter((_, at) => outcomes[at]!.status === 'fulfilled');
  }

  async #load(batch: ShardBatch): Promise<void> {
    const { shard } = batch;
    const cold = batch.pinWarm();
    if (cold.length === 0) return;
    const loaded = await this.#parts.store.load(shard.partition, cold);
    if (!shard.isAlive) return;
    try {
      batch.insertCold(loaded);
    } catch (error) {
      // A stored state of a version that this build must not touch, or that breaks an invariant.
      this.#table.stopLoudly(shard.partition, error);
    }
  }

  #compute(batch: ShardBatch, condemnation: string | null = null): Computed[] {
    const { shard } = batch;
    if (!shard.isRunning) {
      batch.release();
      return [];
    }
    try {
      if (condemnation === null) batch.apply();
      else batch.condemn(condemnation);
      const commit = batch.toCommit();
      shard.uncommitted++;
      return [{ batch, commit }];
    } catch (error) {
      batch.release();
      this.#suspect(batch, INVARIANT_BROKEN, error);
      return [];
    }
  }

  #settle(batch: ShardBatch): void {
    batch.release();
    batch.shard.uncommitted--;
  }

  /** Whoever owns the shard next applies these records again, unless the commit went through after all. */
  #giveUp(batch: ShardBatch): boolean {
    this.#settle(batch);
    this.#parts.observer.redone(batch.shard.partition, batch.appliedRecords);
    return false;
  }

  /** Never rejects: whatever becomes of a commit is the end or the progress of its shard. */
  async #commit(computed: readonly Computed[]): Promise<void> {
    let results;
    try {
      results = await this.#parts.store.commit(computed.map(({ commit }) => commit));
    } catch (error) {
      for (const { batch } of computed) this.#unanswered(batch, error);
      return;
    }
    for (const [index, each] of computed.entries()) {
      const result = results[index];
      if (result?.kind === 'committed') this.#committed(each);
      else if (result?.kind === 'unknown') this.#unanswered(each.batch, result.error);
      else this.#refused(each.batch, result?.code ?? 'COMMIT_UNANSWERED');
    }
  }

  #committed({ batch, commit }: Computed): void {
    const { shard } = batch;
    const { observer, answers, clock } = this.#parts;
    this.#settle(batch);
    this.#table.progressed(shard.partition);
    shard.noteCommitted(commit.next);
    for (const name of batch.firedTimers) shard.firing.delete(name);
    if (commit.outbox.length > 0 && shard.isAlive) shard.outbox.add(commit.outbox);
    if (batch.answers.length > 0 && answers !== null) {
      answers.publish(batch.answers).catch((error: unknown) => observer.failed('operation answers', error));
    }
    const { partition, twins, outbox, counts, next } = commit;
    const { appliedRecords: records, oldestAppendedAtMs, sentAtMs, telemetryOnly } = batch;
    const sizes = { records, twins: twins.length, outbox: outbox.length };
    const times = { oldestAppendedAtMs, sentAtMs, atMs: clock.nowMs() };
    this.#parts.membership.committed(partition, next);
    observer.committed({ partition, ...sizes, counts, positions: next, ...times });
    if (telemetryOnly.size > 0) observer.telemetryChanged(partition, [...telemetryOnly]);
  }

  #unanswered(batch: ShardBatch, error: unknown): void {
    this.#giveUp(batch);
    this.#table.end(batch.shard, 'commitUnknown', error);
  }

  #refused(batch: ShardBatch, code: string): void {
    const { shard } = batch;
    this.#giveUp(batch);
    if (code === 'COMMIT_TOO_LARGE') this.#suspect(batch, code, code);
    else this.#table.end(shard, 'commitRefused', code);
  }

  /** A batch that can not be stored whoever tries. Alone, it is one record, and that record is the reason. */
  #suspect(batch: ShardBatch, code: string, error: unknown): void {
    const { partition } = batch.shard;
    if (batch.size === 1) this.#table.suspects.condemn(partition, batch.firstRecord, code);
    this.#table.end(batch.shard, 'suspect', error);
  }
}

const SINGLE: BatchShare = { records: { control: 1, telemetry: 1 }, bytesMax: 0, twinsMax: 1 };
