import { LANES, SECTION_END } from '@breakwater/twin-runtime';
import type { OutboxEntry, OutcomeCounts, ShardCommit, StoredTwin, TwinWrite } from '@breakwater/twin-runtime';
import { assert, type DeviceKey } from '@breakwater/twin';

import { redisKeys } from '../redis-keys.ts';
import type { ScriptArgument } from '../redis-script.ts';

export interface CommitCall {
  readonly keys: readonly string[];
  readonly args: readonly ScriptArgument[];
  /** Of everything that the commit stores; UTF-16 units, which is near enough for a cap. */
  readonly bytes: number;
}

/** Lays a commit out as the script expects it. */
export function commitArguments(commit: ShardCommit): CommitCall {
  const { partition, expected, next, twins, outbox, timers } = commit;
  const keys = [
    redisKeys.shard(partition),
    redisKeys.outbox(partition),
    redisKeys.outboxOrder(partition),
    redisKeys.timers(partition),
    redisKeys.timerGenerations(partition),
    redisKeys.twins(partition),
    redisKeys.twinDocuments(partition),
    redisKeys.twinsChanged(partition),
  ];
  const countArguments = ledgerArguments(commit);
  const documents: string[] = [];
  const written = twinArguments(twins, documents);
  const args: ScriptArgument[] = [
    commit.epoch,
    commit.logId,
    ...[expected.control, expected.telemetry, next.control, next.telemetry],
    ...[twins.length, documents.length / 2, outbox.length, timers.length, countArguments.length / 2],
  ];
  let bytes = 0;
  for (const arg of [...written, ...documents]) {
    args.push(arg);
    bytes += arg.length;
  }
  for (const entry of outbox) {
    args.push(entry.id, encodeOutboxEntry(entry));
    bytes += entry.id.length + entry.payload.length;
  }
  for (const { key, timerId, dueAtMs, generation } of timers) {
    args.push(timerMember(key, timerId), dueAtMs ?? '', generation);
  }
  args.push(...countArguments);
  return { keys, args, bytes };
}

/** Per twin: key, expected revision, and what is written with every change. Adds to `documents` where those change. */
function twinArguments(twins: readonly TwinWrite[], documents: string[]): string[] {
  const args: string[] = [];
  for (const { key, expectedRevision, state, telemetry } of twins) {
    const revision = expectedRevision + 1;
    if (telemetry !== undefined) {
      args.push(key, String(expectedRevision), twinValue(revision, telemetry));
      continue;
    }
    assert(state !== '', 'a stored twin has a state');
    const { document, telemetry: section } = sectionsOf(state);
    args.push(key, String(expectedRevision), state === null ? '' : twinValue(revision, section));
    documents.push(key, document);
  }
  return args;
}

/** The two parts of a state, as they are stored. */
export function sectionsOf(state: string | null): { readonly document: string; readonly telemetry: string | null } {
  if (state === null) return { document: '', telemetry: null };
  const end = state.indexOf(SECTION_END);
  return end < 0
    ? { document: state, telemetry: null }
    : { document: state.slice(0, end), telemetry: state.slice(end + SECTION_END.length) };
}

/** What is written of a twin with every change. */
export function twinValue(revision: number, telemetry: string | null): string {
  return telemetry === null ? `${revision}` : `${revision}${SECTION_END}${telemetry}`;
}

/** The twin of what is written with every change, and its document; both null where there is none. */
export function storedTwin(key: DeviceKey, value: string | null, document: string | null): StoredTwin {
  if (value === null) return { key, revision: 0, state: null };
  assert(document !== null, 'a stored twin has a document');
  const end = value.indexOf(SECTION_END);
  return end < 0
    ? { key, revision: Number(value), state: document }
    : { key, revision: Number(value.slice(0, end)), state: document + value.slice(end) };
}

function ledgerArguments({ counts, tenants }: Pick<ShardCommit, 'counts' | 'tenants'>): ScriptArgument[] {
  const args: ScriptArgument[] = [];
  const add = (field: string, outcomes: OutcomeCounts): void => {
    for (const [outcome, count] of Object.entries(outcomes)) {
      if (count !== 0) args.push(`${field}:${outcome}`, count);
    }
  };
  for (const lane of LANES) {
    add(`ledger:${lane}`, counts[lane]);
    for (const [tenant, outcomes] of Object.entries(tenants[lane])) add(`tenant:${tenant}:${lane}`, outcomes);
  }
  return args;
}

/** `<kind> <length of key> <key><payload>`: a payload is JSON text already and is not escaped once more. */
export function encodeOutboxEntry({ kind, key, payload }: OutboxEntry): string {
  return `${kind} ${key.length} ${key}${payload}`;
}

export function decodeOutboxEntry(id: string, value: string): OutboxEntry {
  const afterKind = value.indexOf(' ');
  const afterLength = value.indexOf(' ', afterKind + 1);
  const keyEnd = afterLength + 1 + Number(value.slice(afterKind + 1, afterLength));
  return {
    id,
    kind: value.slice(0, afterKind) as OutboxEntry['kind'],
    key: value.slice(afterLength + 1, keyEnd) as DeviceKey,
    payload: value.slice(keyEnd),
  };
}

export function timerMember(key: DeviceKey, timerId: string): string {
  return JSON.stringify([key, timerId]);
}

export function splitTimerMember(member: string): { readonly key: DeviceKey; readonly timerId: string } {
  const [key, timerId] = JSON.parse(member) as [DeviceKey, string];
  return { key, timerId };
}
