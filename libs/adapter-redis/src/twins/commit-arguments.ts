import { LANES } from '@breakwater/twin-runtime';
import type { OutboxEntry, OutcomeCounts, ShardCommit } from '@breakwater/twin-runtime';
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
  ];
  const countArguments = ledgerArguments(commit);
  const args: ScriptArgument[] = [
    commit.epoch,
    commit.logId,
    ...[expected.control, expected.telemetry, next.control, next.telemetry],
    ...[twins.length, outbox.length, timers.length, countArguments.length / 2],
  ];
  let bytes = 0;
  for (const { key, expectedRevision, state } of twins) {
    assert(state !== '', 'a stored twin has a state');
    keys.push(redisKeys.twin(partition, key));
    args.push(expectedRevision, state ?? '');
    bytes += key.length + (state?.length ?? 0);
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
