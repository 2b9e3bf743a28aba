import {
  type AppliedMessage,
  type DeviceKey,
  type Epoch,
  isEnded,
  type Partition,
  rankOf,
  type RecordOutcome,
  type TwinCommand,
  type TwinState,
} from '@breakwater/twin';
import {
  type CommitResult,
  decodeDeadLetter,
  type DecodedRecord,
  type Lane,
  LANES,
  type LanePositions,
  type OutboxEntry,
  type RecordDecoder,
  SECTION_END,
  type ShardCommit,
  type TwinModel,
  type TwinWrite,
} from '@breakwater/twin-runtime';

import { KILLING_EVENT, THROWING_EVENT } from './chain-model.ts';

export interface LoggedRecord {
  readonly line: string;
  readonly appendedAtMs: number;
}

interface Versions {
  readonly incarnation: number;
  readonly version: number;
  readonly reportedVersion: number;
  readonly changeNumber: number;
}

interface Folded {
  readonly changed: ReadonlyMap<DeviceKey, TwinState | null>;
  readonly counts: Readonly<Record<Lane, Readonly<Record<string, number>>>>;
}

interface PartitionHistory {
  epoch: Epoch | null;
  positions: LanePositions;
  readonly records: Readonly<Record<Lane, LoggedRecord[]>>;
  /** The reference: every committed record folded in the order in which commits took them. */
  readonly twins: Map<DeviceKey, TwinState>;
  readonly outbox: Set<string>;
}

/** A broken promise. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/**
 * The checker that stands beside the store and the log. It folds the records of every commit by itself and compares
 * what the commit wrote, so that a record lost, applied twice or out of order is found in the commit where it happens.
 */
export class History {
  readonly violations: Violation[] = [];
  readonly #model: TwinModel;
  readonly #decode: RecordDecoder;
  readonly #partitions = new Map<Partition, PartitionHistory>();
  readonly #appendedIds = new Map<string, number>();
  readonly #acknowledgedIds = new Set<string>();
  readonly #dispatched = new Set<string>();

  constructor(model: TwinModel, decode: RecordDecoder) {
    this.#model = model;
    this.#decode = decode;
  }

  get acknowledged(): number {
    return this.#acknowledgedIds.size;
  }

  isAppended(id: string): boolean {
    return this.#appendedIds.has(id);
  }

  appended(lane: Lane, partition: Partition, records: readonly LoggedRecord[]): void {
    this.of(partition).records[lane].push(...records);
    for (const { line } of records) {
      const { id } = JSON.parse(line) as { readonly id: string };
      if (id !== '') this.#appendedIds.set(id, (this.#appendedIds.get(id) ?? 0) + 1);
    }
  }

  acknowledgedMessage(id: string): void {
    this.#acknowledgedIds.add(id);
  }

  ownershipTaken(partition: Partition, epoch: Epoch): void {
    this.of(partition).epoch = epoch;
  }

  dispatched(entries: readonly OutboxEntry[], partition: Partition): void {
    for (const { id } of entries) this.#dispatched.add(`${partition}/${id}`);
  }

  committed(commit: ShardCommit, result: CommitResult): void {
    const known = this.of(commit.partition);
    if (result.kind === 'refused') {
      // The owner knows what it wrote last: only a writer that should not be one, or a repetition, meets a refusal.
      const isOwner = commit.epoch === known.epoch;
      if (isOwner && result.code === 'REVISION_MISMATCH') this.#fail(commit, 'an owner had an old twin in memory');
      return;
    }
    if (commit.epoch !== known.epoch)
      this.#fail(commit, `a commit of epoch ${commit.epoch} in epoch ${String(known.epoch)}`);
    if (LANES.some((lane) => commit.expected[lane] !== known.positions[lane])) {
      this.#fail(commit, 'a commit does not start where the last one ended');
    }
    known.positions = commit.next;
    this.#compare(commit, this.#fold(commit));
    for (const { id } of commit.outbox) known.outbox.add(id);
  }

  /** What must hold when all is quiet; deadlines before `deadlineMs` are long past. */
  finish(partitions: readonly Partition[], deadlineMs = Number.NEGATIVE_INFINITY): void {
    for (const id of this.#acknowledgedIds) {
      if (!this.#appendedIds.has(id)) this.fail(`message ${id} was acknowledged and is not in the log`);
    }
    for (const [id, times] of this.#appendedIds) {
      if (times > 1) this.fail(`message ${id} is in the log ${times} times`);
    }
    for (const partition of partitions) {
      for (const id of this.of(partition).outbox) {
        if (!this.#dispatched.has(`${partition}/${id}`))
          this.fail(`outbox entry ${partition}/${id} was never dispatched`);
      }
      for (const [key, { commands }] of this.of(partition).twins) {
        for (const command of commands.pending) {
          if (command.deadlineMs < deadlineMs) this.fail(`${command.commandId} of ${key} has outlived its deadline`);
        }
      }
    }
  }

  of(partition: Partition): PartitionHistory {
    let known = this.#partitions.get(partition);
    if (known === undefined) {
      const positions = { control: 0, telemetry: 0 } as LanePositions;
      known = { epoch: null, positions, records: { control: [], telemetry: [] }, twins: new Map(), outbox: new Set() };
      this.#partitions.set(partition, known);
    }
    return known;
  }

  textOf(partition: Partition, key: DeviceKey): string | null {
    const state = this.of(partition).twins.get(key);
    return state === undefined ? null : this.#model.serializeTwin(state);
  }

  /** Folds a commit's records into the reference; answers the twins that changed and the outcomes. */
  #fold(commit: ShardCommit): Folded {
    const known = this.of(commit.partition);
    const changed = new Map<DeviceKey, TwinState | null>();
    const counts: Record<Lane, Record<string, number>> = { control: {}, telemetry: {} };
    const dead = deadLettersOf(commit);
    for (const lane of LANES) {
      for (let offset = commit.expected[lane]; offset < commit.next[lane]; offset++) {
        const logged = known.records[lane][offset];
        if (logged === undefined) {
          this.#fail(commit, `${lane}:${offset} was committed and is not in the log`);
          continue;
        }
        const record = this.#decode(logged.line);
        const outcome = this.#foldOne({
          commit,
          lane,
          offset,
          logged,
          record,
          deadCode: dead.get(`${lane}:${offset}`),
          changed,
        });
        counts[lane][outcome] = (counts[lane][outcome] ?? 0) + 1;
      }
    }
    return { changed, counts };
  }

  #foldOne(step: {
    readonly commit: ShardCommit;
    readonly lane: Lane;
    readonly offset: number;
    readonly logged: LoggedRecord;
    readonly record: DecodedRecord;
    readonly deadCode: string | undefined;
    readonly changed: Map<DeviceKey, TwinState | null>;
  }): RecordOutcome {
    const { commit, lane, offset, logged, record, deadCode, changed } = step;
    const { key, incarnation, sessionEpoch, message } = record;
    const isDeadAs = (expected: string | undefined): void => {
      if (deadCode === expected) return;
      this.#fail(commit, `${lane}:${offset} was dead-lettered as ${String(deadCode)}, not ${String(expected)}`);
    };
    const unbearable = message.kind === 'event' ? DEAD_CODES[message.name] : undefined;
    if (unbearable !== undefined) {
      isDeadAs(unbearable);
      return 'dead';
    }
    const { twins } = this.of(commit.partition);
    const stored = twins.get(key);
    const before = stored ?? this.#model.newTwin(key, incarnation);
    const context = { nowMs: logged.appendedAtMs, lane, offset: offset as never, incarnation, sessionEpoch };
    const applied = this.#model.applyMessage(before, message, context);
    isDeadAs(applied.outcome === 'dead' ? applied.rejection?.code : undefined);
    this.#checkCommands(commit, `${lane}:${offset}`, before, applied);
    if (applied.state !== before) {
      if (!changed.has(key)) changed.set(key, stored ?? null);
      twins.set(key, applied.state);
    }
    return applied.outcome;
  }

  /** A command only goes on, has one end, and each of its changes is told of. */
  #checkCommands(commit: ShardCommit, place: string, before: TwinState, { state, effects }: AppliedMessage): void {
    const known = state.incarnation === before.incarnation ? commandsOf(before) : new Map<number, TwinCommand>();
    for (const [requestId, now] of commandsOf(state)) {
      const was = known.get(requestId);
      if (was === undefined || was.state === now.state) continue;
      if (isEnded(was) || rankOf(now.state) <= rankOf(was.state)) {
        this.#fail(commit, `${place} brought a command from ${was.state} to ${now.state}`);
      }
    }
    for (const [index, { kind }] of effects.entries()) {
      if (kind !== 'commandChanged' || commit.outbox.some(({ id }) => id === `${place}:${index}`)) continue;
      this.#fail(commit, `${place} changed a command, and nobody is told`);
    }
  }

  #compare(commit: ShardCommit, { changed, counts }: Folded): void {
    const written = new Map(commit.twins.map((write) => [write.key, write]));
    for (const [key, before] of changed) {
      const write = written.get(key);
      if (write === undefined) this.#fail(commit, `${key} changed and was not written`);
      else if (this.#textAfter(before, write) !== this.textOf(commit.partition, key))
        this.#fail(commit, `${key} is not what its records make of it`);
      const after = this.of(commit.partition).twins.get(key);
      if (before !== null && after !== undefined && goesBack(before, after))
        this.#fail(commit, `a version of ${key} went back`);
    }
    for (const key of written.keys())
      if (!changed.has(key)) this.#fail(commit, `${key} was written and did not change`);
    for (const lane of LANES) {
      if (!sameCounts(counts[lane], commit.counts[lane]))
        this.#fail(commit, `the outcomes of ${lane} are not those of its records`);
    }
  }

  /** What the store has after a write; before it, it had the reference. */
  #textAfter(before: TwinState | null, { state, telemetry }: TwinWrite): string | null {
    if (telemetry === undefined) return state;
    if (before === null) return null;
    const [document = ''] = this.#model.serializeTwin(before).split(SECTION_END, 1);
    return `${document}${SECTION_END}${telemetry}`;
  }

  #fail({ partition, epoch, expected }: ShardCommit, sentence: string): void {
    this.fail(`partition ${partition}, epoch ${epoch}, from ${expected.control}/${expected.telemetry}: ${sentence}`);
  }

  fail(sentence: string): void {
    this.violations.push(new Violation(sentence));
  }
}

const DEAD_CODES: Readonly<Record<string, string | undefined>> = {
  [THROWING_EVENT]: 'MESSAGE_FAILED',
  [KILLING_EVENT]: 'MESSAGE_POISONOUS',
};

function commandsOf({ commands }: TwinState): ReadonlyMap<number, TwinCommand> {
  return new Map([...commands.ended, ...commands.pending].map((command) => [command.requestId, command]));
}

function deadLettersOf(commit: ShardCommit): ReadonlyMap<string, string> {
  const letters = commit.outbox.filter(({ kind }) => kind === 'deadLetter').map(decodeDeadLetter);
  return new Map(letters.map(({ lane, offset, code }) => [`${lane}:${offset}`, code]));
}

function goesBack(before: Versions, after: Versions): boolean {
  if (after.incarnation !== before.incarnation) return after.incarnation < before.incarnation;
  return (
    after.version < before.version ||
    after.reportedVersion < before.reportedVersion ||
    after.changeNumber < before.changeNumber
  );
}

function sameCounts(left: Readonly<Record<string, number>>, right: Readonly<Record<string, number>>): boolean {
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) => (left[name] ?? 0) === (right[name] ?? 0));
}
