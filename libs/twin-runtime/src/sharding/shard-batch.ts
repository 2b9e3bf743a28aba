import { assert, type DeviceKey, type Offset, type TwinEffect, type TwinState } from '@breakwater/twin';

import { encodeChange, encodeCommand, encodeDeadLetter, encodeDownlink } from '../outbox-payload.ts';
import type { Lane } from '../ports/event-log.ts';
import type { OperationAnswer } from '../ports/operation-answers.ts';
import type {
  LanePositions,
  OutboxEntry,
  ShardCommit,
  StoredTwin,
  TimerWrite,
  TwinWrite,
} from '../ports/twin-store.ts';
import type { MailboxRecord } from './mailbox.ts';
import { OutcomeTally } from './outcome-tally.ts';
import type { RegionParts } from './region-parts.ts';
import type { Shard } from './shard.ts';
import type { CachedTwin, TwinCache } from './twin-cache.ts';

/** A change of a document that is written when the batch is complete, or when a later version replaces it. */
interface PendingChange {
  id: string;
  lane: Lane;
  offset: Offset;
  tsMs: number;
  traceparent: string | undefined;
  readonly sections: Set<string>;
}

/** `timerCleared` names no generation: whatever was set goes. */
const ANY_GENERATION = Number.MAX_SAFE_INTEGER;

/**
 * One batch of one shard, from its records to its commit. Several records of one twin cost one write. Everything it
 * touches is pinned from the moment its records are chosen until `release`, so that nothing of it can be evicted and
 * loaded again while the store does not have it yet.
 */
export class ShardBatch {
  readonly shard: Shard;
  readonly #parts: RegionParts;
  readonly #cache: TwinCache;
  readonly #records: readonly MailboxRecord[];
  readonly #pinned = new Map<DeviceKey, CachedTwin>();
  /** With the state that each had before; null where nothing is stored of it. */
  readonly #changed = new Map<CachedTwin, TwinState | null>();
  /** Those that changed more than once: what they take is counted again when all is applied. */
  readonly #changedAgain = new Set<CachedTwin>();
  readonly #pending = new Map<CachedTwin, PendingChange>();
  readonly #telemetryOnly = new Set<DeviceKey>();
  readonly #outbox: OutboxEntry[] = [];
  readonly #timers: TimerWrite[] = [];
  readonly #answers: OperationAnswer[] = [];
  readonly #firedTimers: string[] = [];
  readonly #tally: OutcomeTally;
  readonly #expected: LanePositions;
  #applied = 0;
  #bytes = 0;
  #oldestAppendedAtMs = Number.MAX_SAFE_INTEGER;
  readonly #sentAtMs: number[] = [];

  constructor(shard: Shard, records: readonly MailboxRecord[], parts: RegionParts, cache: TwinCache) {
    this.shard = shard;
    this.#records = records;
    this.#parts = parts;
    this.#cache = cache;
    this.#expected = shard.positions;
    this.#tally = new OutcomeTally(shard.tenantNames);
  }

  /** Records that were chosen; as many of them are applied as one commit may carry. */
  get size(): number {
    return this.#records.length;
  }

  get firstRecord(): MailboxRecord {
    const [record] = this.#records;
    assert(record !== undefined, 'a batch has a record');
    return record;
  }

  get appliedRecords(): number {
    return this.#applied;
  }

  get oldestAppendedAtMs(): number {
    return this.#oldestAppendedAtMs;
  }

  get sentAtMs(): readonly number[] {
    return this.#sentAtMs;
  }

  get answers(): readonly OperationAnswer[] {
    return this.#answers;
  }

  get firedTimers(): readonly string[] {
    return this.#firedTimers;
  }

  get telemetryOnly(): ReadonlySet<DeviceKey> {
    return this.#telemetryOnly;
  }

  /** Pins the twins that are in memory and answers the keys of those that are not. */
  pinWarm(): readonly DeviceKey[] {
    const cold = new Set<DeviceKey>();
    for (const { decoded } of this.#records) {
      if (decoded === null || this.#pinned.has(decoded.key)) continue;
      const twin = this.shard.twins.get(decoded.key);
      if (twin === undefined) cold.add(decoded.key);
      else {
        this.#cache.pin(twin);
        this.#pinned.set(decoded.key, twin);
      }
    }
    return [...cold];
  }

  /** @throws what the model says of a stored state that this build must not touch. */
  insertCold(loaded: readonly StoredTwin[]): void {
    for (const { key, revision, state: text } of loaded) {
      const state = text === null ? null : this.#parts.model.parseTwin(text);
      const bytes = state === null ? 0 : this.#parts.model.estimateBytes(state);
      this.#pinned.set(key, this.#cache.insertPinned(this.shard.twins, key, { revision, state, bytes }));
    }
  }

  /** Applies the records in order, as many as one commit may carry, and takes them out of the mailboxes. */
  apply(): void {
    for (const record of this.#records) {
      if (this.#applied > 0 && this.#isFull()) break;
      this.#applyOne(record);
      this.#taken(record);
    }
    for (const twin of this.#changedAgain) {
      if (twin.state !== null) this.#cache.changed(twin, twin.state, this.#parts.model.estimateBytes(twin.state));
    }
    for (const twin of this.#pinned.values()) {
      if (this.#changed.has(twin)) continue;
      this.#pinned.delete(twin.key);
      this.#cache.unpin(twin);
    }
  }

  /** Dead-letters the first record without applying it. */
  condemn(code: string): void {
    this.#deadLetter(this.firstRecord, code, null);
    this.#taken(this.firstRecord);
    this.release();
  }

  /** @throws when a state breaks an invariant: then nothing of the batch may be stored. */
  toCommit(): ShardCommit {
    for (const [twin, pending] of this.#pending) this.#writeChange(twin, pending, twin.state);
    const twins = Array.from(this.#changed, ([twin, before]) => {
      const write = this.#writeOf(twin, before);
      // The next batch is computed on top of this one before it is stored; commits of a shard are stored in order.
      twin.revision++;
      return write;
    });
    const { partition, ownership, logId, positions } = this.shard;
    const { epoch } = ownership;
    const { counts, tenants } = this.#tally;
    const parts = { twins, outbox: this.#outbox, timers: this.#timers, counts, tenants };
    return { partition, epoch, logId, expected: this.#expected, next: positions, ...parts };
  }

  /** Ends the batch, stored or not. */
  release(): void {
    for (const twin of this.#pinned.values()) this.#cache.unpin(twin);
    this.#pinned.clear();
  }

  #applyOne(record: MailboxRecord): void {
    const { decoded, lane, offset, appendedAtMs } = record;
    if (decoded === null) {
      this.#deadLetter(record, 'RECORD_UNREADABLE', null);
      return;
    }
    const { key, incarnation, sessionEpoch, message } = decoded;
    const twin = this.#pinned.get(key);
    assert(twin !== undefined, 'every twin of a batch is in memory');
    const { model } = this.#parts;
    const before = twin.state ?? model.newTwin(key, incarnation);
    let applied;
    try {
      applied = model.applyMessage(before, message, { nowMs: appendedAtMs, lane, offset, incarnation, sessionEpoch });
    } catch (error) {
      this.#deadLetter(record, 'MESSAGE_FAILED', error);
      return;
    }
    // Nobody waits for the answer to it, and it must not go missing unseen.
    if (applied.outcome === 'dead' && applied.rejection !== undefined) {
      this.#deadLetter(record, applied.rejection.code, { message: applied.rejection.detail });
    } else this.#tally.count(lane, applied.outcome, key);
    if (message.kind === 'timerFired') this.#timerFired(key, message.timerId, message.generation);
    this.#addEffects(record, twin, applied.effects, before);
    if (applied.state === before) return;
    if (this.#changed.has(twin)) {
      twin.state = applied.state;
      this.#changedAgain.add(twin);
    } else {
      this.#changed.set(twin, twin.state);
      this.#cache.changed(twin, applied.state, model.estimateBytes(applied.state));
      this.#bytes += twin.bytes;
    }
    const keysMax = this.#parts.limits.telemetryKeysPerCommitMax;
    if (this.#pending.has(twin)) this.#telemetryOnly.delete(key);
    else if (lane === 'telemetry' && this.#telemetryOnly.size < keysMax) this.#telemetryOnly.add(key);
  }

  #addEffects(record: MailboxRecord, twin: CachedTwin, effects: readonly TwinEffect[], before: TwinState): void {
    for (let index = 0; index < effects.length; index++) {
      const effect = effects[index] as TwinEffect;
      const id = `${record.lane}:${record.offset}:${index}`;
      switch (effect.kind) {
        case 'downlink':
          this.#push({ id, kind: 'downlink', key: twin.key, payload: encodeDownlink(effect) });
          break;
        case 'changed':
          this.#addChange({ id, twin, sections: effect.sections, before, record });
          break;
        case 'commandChanged': {
          const payload = encodeCommand({
            incarnation: record.decoded!.incarnation,
            tsMs: record.appendedAtMs,
            command: effect.command,
          });
          this.#push({ id, kind: 'command', key: twin.key, payload });
          break;
        }
        case 'operationAnswered':
          this.#answers.push({ operationId: effect.operationId, outcome: effect.outcome });
          break;
        case 'timerSet': {
          const { timerId, generation, dueAtMs } = effect;
          this.#timers.push({ key: twin.key, timerId, generation, dueAtMs });
          break;
        }
        case 'timerCleared':
          this.#timers.push({ key: twin.key, timerId: effect.timerId, generation: ANY_GENERATION, dueAtMs: null });
          break;
      }
    }
  }

  /**
   * A batch's changes of reported and presence become one record. A new version of desired or tags is one of its own:
   * the history shows each that an application was told of.
   */
  #addChange(change: {
    readonly id: string;
    readonly twin: CachedTwin;
    readonly sections: readonly string[];
    readonly before: TwinState;
    readonly record: MailboxRecord;
  }): void {
    const { id, twin, sections, before, record } = change;
    const { lane, offset, appendedAtMs: tsMs } = record;
    const cause = { id, lane, offset, tsMs, traceparent: record.decoded?.traceparent };
    let pending = this.#pending.get(twin);
    if (pending !== undefined && (sections.includes('desired') || sections.includes('tags'))) {
      this.#writeChange(twin, pending, before);
      pending = undefined;
    }
    if (pending === undefined) {
      this.#pending.set(twin, { ...cause, sections: new Set(sections) });
      return;
    }
    Object.assign(pending, cause);
    for (const section of sections) pending.sections.add(section);
  }

  #writeChange(twin: CachedTwin, pending: PendingChange, state: TwinState | null): void {
    assert(state !== null, 'a changed twin has a state');
    const { id, tsMs, lane, offset, traceparent } = pending;
    const { incarnation, changeNumber, version, reportedVersion } = state;
    const change = {
      ...{ key: twin.key, incarnation, changeNumber, sections: [...pending.sections].sort(), tsMs },
      ...{ version, reportedVersion, logId: this.shard.logId, lane, offset },
      ...(traceparent !== undefined && { traceparent }),
      document: JSON.stringify(this.#parts.model.twinDocument(state)),
    };
    this.#push({ id, kind: 'change', key: twin.key, payload: encodeChange(change) });
  }

  #deadLetter(record: MailboxRecord, code: string, error: unknown): void {
    const { lane, offset, line, decoded } = record;
    const message = (error as { readonly message?: unknown } | null)?.message;
    const detail = typeof message === 'string' ? message : '';
    const payload = encodeDeadLetter({ lane, offset, code, detail, line });
    this.#push({ id: `${lane}:${offset}:0`, kind: 'deadLetter', key: decoded?.key ?? ('' as DeviceKey), payload });
    this.#tally.count(lane, 'dead', decoded?.key ?? null);
    this.#parts.observer.deadLettered(this.shard.partition, lane, code, error);
  }

  #timerFired(key: DeviceKey, timerId: string, generation: number): void {
    this.#timers.push({ key, timerId, generation, dueAtMs: null });
    this.#firedTimers.push(timerName(key, timerId, generation));
  }

  #push(entry: OutboxEntry): void {
    this.#outbox.push(entry);
    this.#bytes += entry.payload.length;
  }

  #taken(record: MailboxRecord): void {
    this.shard.mailboxes[record.lane].take(1);
    this.#applied++;
    this.#oldestAppendedAtMs = Math.min(this.#oldestAppendedAtMs, record.appendedAtMs);
    if (record.decoded?.sentAtMs !== undefined) this.#sentAtMs.push(record.decoded.sentAtMs);
  }

  #isFull(): boolean {
    const { bytesPerCommitMax, outboxPerShardMax } = this.#parts.limits;
    return this.#bytes >= bytesPerCommitMax || this.#outbox.length >= outboxPerShardMax;
  }

  #writeOf({ key, revision, state }: CachedTwin, before: TwinState | null): TwinWrite {
    assert(state !== null, 'a changed twin has a state');
    const { model } = this.#parts;
    const write = { key, expectedRevision: revision };
    return before !== null && model.onlyTelemetryDiffers(before, state)
      ? { ...write, telemetry: model.serializeTelemetry(state) }
      : { ...write, state: model.serializeTwin(state) };
  }
}

/** What one shard may take for its next batch. */
export interface BatchShare {
  readonly records: Readonly<Record<Lane, number>>;
  readonly bytesMax: number;
  readonly twinsMax: number;
}

/** Records of a shard for its next batch: control first, at least one if there is any. */
export function chooseRecords(shard: Shard, { records, bytesMax, twinsMax }: BatchShare): MailboxRecord[] {
  const chosen: MailboxRecord[] = [];
  const keys = new Set<DeviceKey>();
  let bytes = 0;
  for (const lane of shard.lanes) {
    for (const record of shard.mailboxes[lane].peek(records[lane])) {
      bytes += record.line.length;
      if (record.decoded !== null) keys.add(record.decoded.key);
      if (chosen.length > 0 && (bytes > bytesMax || keys.size > twinsMax)) return chosen;
      chosen.push(record);
    }
  }
  return chosen;
}

/** Names one setting of one timer. */
export function timerName(key: DeviceKey, timerId: string, generation: number): string {
  return `${key} ${timerId} ${generation}`;
}
