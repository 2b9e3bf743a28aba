import { randomBytes } from 'node:crypto';

import type { DeviceKey, Epoch, LogId, Offset, Partition, RecordOutcome } from '@breakwater/twin';
import type {
  CommitResult,
  DueTimer,
  Lane,
  OutboxEntry,
  Ownership,
  RecordAttempt,
  ShardCommit,
  ShardCopy,
  ShardLedger,
  StoredTwin,
  TenantLedger,
  TwinCopier,
  TwinStore,
} from '@breakwater/twin-runtime';
import { LANES, PlatformError } from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { pipelined, throwUnlessAnswered, type ScriptCall } from '../redis-script.ts';
import { commitScript, moveFromFormat1Script } from '../scripts/commit-script.ts';
import { dueTimersScript } from '../scripts/due-timers-script.ts';
import { confirmOutboxScript, readOutboxScript } from '../scripts/outbox-scripts.ts';
import { noteAttemptScript, takeOwnershipScript } from '../scripts/ownership-scripts.ts';
import { commitArguments, decodeOutboxEntry, splitTimerMember, storedTwin } from './commit-arguments.ts';

export interface RedisTwinStoreOptions {
  readonly redis: RedisClient;
  readonly commitTwinsMax: number;
  readonly commitBytesMax: number;
}

type RefusalCode = Extract<CommitResult, { kind: 'refused' }>['code'];

const LEDGER_FIELD = /^ledger:(control|telemetry):(.+)$/;
const TENANT_FIELD = /^tenant:([^:]+):(control|telemetry):(.+)$/;
const OUTCOMES: readonly RecordOutcome[] = ['applied', 'noop', 'dead', 'superseded'];
const OUTCOME_FIELDS = LANES.flatMap((lane) => OUTCOMES.map((outcome) => `ledger:${lane}:${outcome}`));

/**
 * Two hashes for the twins of a partition, with the twin's key as field: what is written with every change (the
 * revision and the telemetry), and the documents. Few commands then write many twins; a hash of its own for each costs
 * Redis four times the CPU (docs/performance.md). And one hash per shard: epoch, positions, ledger.
 */
export class RedisTwinStore implements TwinStore, TwinCopier {
  readonly #redis: RedisClient;
  readonly #twinsMax: number;
  readonly #bytesMax: number;

  constructor(options: RedisTwinStoreOptions) {
    this.#redis = options.redis;
    this.#twinsMax = options.commitTwinsMax;
    this.#bytesMax = options.commitBytesMax;
  }

  async takeOwnership(partition: Partition, ownerId: string): Promise<Ownership> {
    const owner = `${ownerId}.${randomBytes(6).toString('hex')}`;
    const reply = await takeOwnershipScript.run(this.#redis, [redisKeys.shard(partition)], [owner]);
    if (reply === 'SHARD_RESTORING') {
      const message = `partition ${partition} is being rebuilt: let \`breakwater rebuild\` end, or say it again`;
      throw new PlatformError('SHARD_RESTORING', message, { retryable: true });
    }
    const [epoch, control, telemetry, logId, attempts] = reply as [Epoch, string, string, LogId | null, number];
    // After the new epoch: no older owner can add a tenant any more.
    const fields = await this.#redis.hkeys(redisKeys.shard(partition));
    return {
      epoch,
      positions: { control: Number(control) as Offset, telemetry: Number(telemetry) as Offset },
      logId,
      attempts,
      tenants: [...new Set(fields.flatMap((field) => TENANT_FIELD.exec(field)?.[1] ?? []))],
    };
  }

  async noteAttempt(partition: Partition, epoch: Epoch, attempt: RecordAttempt): Promise<number> {
    const { lane, offset, processId } = attempt;
    const args = [epoch, `${lane}:${offset}`, processId];
    return (await noteAttemptScript.run(this.#redis, [redisKeys.shard(partition)], args)) as number;
  }

  async load(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly StoredTwin[]> {
    if (keys.length === 0) return [];
    const twins = await this.#stored(partition, keys);
    const missing = twins.filter(({ state }) => state === null).map(({ key }) => key);
    if (missing.length === 0 || !(await this.#moveFromFormat1(partition, missing))) return twins;
    return this.#stored(partition, keys);
  }

  /** Both sections of each as one commit left them: a reader that owns nothing reads while the owner writes. */
  async #stored(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly StoredTwin[]> {
    const both = this.#redis
      .multi()
      .hmget(redisKeys.twins(partition), ...keys)
      .hmget(redisKeys.twinDocuments(partition), ...keys);
    const [values, documents] = (await pipelined(both)) as (string | null)[][];
    return keys.map((key, index) => storedTwin(key, values![index]!, documents![index]!));
  }

  /** Answers whether there was any: then they are where all twins are. */
  async #moveFromFormat1(partition: Partition, keys: readonly DeviceKey[]): Promise<boolean> {
    const places = [redisKeys.twins(partition), redisKeys.twinDocuments(partition)];
    const older = keys.map((key) => redisKeys.twinOfFormat1(partition, key));
    return (await moveFromFormat1Script.run(this.#redis, [...places, ...older], keys)) !== 0;
  }

  async read(partition: Partition, key: DeviceKey): Promise<StoredTwin> {
    const [twin] = await this.load(partition, [key]);
    return twin!;
  }

  /** One transaction: no commit can come in between. */
  async copy(partition: Partition, keys: readonly DeviceKey[]): Promise<ShardCopy> {
    // Brings those of format 1 to where the transaction looks.
    await this.load(partition, keys);
    const transaction = this.#redis.multi().hmget(redisKeys.shard(partition), 'control', 'telemetry', 'logId');
    if (keys.length > 0) {
      transaction.hmget(redisKeys.twins(partition), ...keys).hmget(redisKeys.twinDocuments(partition), ...keys);
    }
    const [shard, values, documents] = (await pipelined(transaction)) as (string | null)[][];
    const [control, telemetry, logId] = shard as [string | null, string | null, LogId | null];
    return {
      logId,
      positions: { control: Number(control ?? 0) as Offset, telemetry: Number(telemetry ?? 0) as Offset },
      twins: keys.map((key, at) => storedTwin(key, values![at]!, documents![at]!)),
    };
  }

  async commit(commits: readonly ShardCommit[]): Promise<readonly CommitResult[]> {
    const results: CommitResult[] = [];
    const sent: number[] = [];
    const calls: ScriptCall[] = [];
    for (const [index, commit] of commits.entries()) {
      const { keys, args, bytes } = commitArguments(commit);
      if (commit.twins.length > this.#twinsMax || bytes > this.#bytesMax) {
        results[index] = { kind: 'refused', code: 'COMMIT_TOO_LARGE' };
        continue;
      }
      sent.push(index);
      calls.push({ keys, args });
    }
    const replies = await commitScript.runAll(this.#redis, calls);
    // On one server, and when all nodes of a cluster are away, that is an outage and not the fate of one commit.
    throwUnlessAnswered(replies);
    for (const [place, index] of sent.entries()) {
      const [error, code] = replies[place]!;
      if (error !== null) results[index] = { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error };
      else if (code === 'committed') results[index] = { kind: 'committed' };
      else results[index] = { kind: 'refused', code: code as RefusalCode };
    }
    return results;
  }

  async outbox(partition: Partition, limit: number): Promise<readonly OutboxEntry[]> {
    const reply = await readOutboxScript.run(this.#redis, outboxKeys(partition), [limit]);
    const flat = reply as string[];
    const entries: OutboxEntry[] = [];
    for (let at = 0; at < flat.length; at += 2) entries.push(decodeOutboxEntry(flat[at]!, flat[at + 1]!));
    return entries;
  }

  async confirmOutbox(partition: Partition, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await confirmOutboxScript.run(this.#redis, outboxKeys(partition), ids);
  }

  async dueTimers(partition: Partition, nowMs: number, limit: number): Promise<readonly DueTimer[]> {
    const keys = [redisKeys.timers(partition), redisKeys.timerGenerations(partition)];
    const flat = (await dueTimersScript.run(this.#redis, keys, [nowMs, limit])) as string[];
    const due: DueTimer[] = [];
    for (let at = 0; at < flat.length; at += 3) {
      const { key, timerId } = splitTimerMember(flat[at]!);
      due.push({ key, timerId, dueAtMs: Number(flat[at + 1]), generation: Number(flat[at + 2]) });
    }
    return due;
  }

  /** A few fields only: this is asked for every write of the API and at every trim. */
  async ledger(partition: Partition): Promise<ShardLedger> {
    const names = ['control', 'telemetry', ...OUTCOME_FIELDS];
    const values = await this.#redis.hmget(redisKeys.shard(partition), ...names);
    return shardLedger(names.map((name, at) => [name, values[at] ?? null]));
  }

  async tenantLedger(partition: Partition): Promise<TenantLedger> {
    const shard = await this.#redis.hgetall(redisKeys.shard(partition));
    const tenants: Record<Lane, Record<string, Partial<Record<RecordOutcome, number>>>> = {
      control: {},
      telemetry: {},
    };
    for (const [field, count] of Object.entries(shard)) {
      const match = TENANT_FIELD.exec(field);
      if (match === null) continue;
      const [, tenant, lane, outcome] = match as unknown as [string, string, Lane, RecordOutcome];
      (tenants[lane][tenant] ??= {})[outcome] = Number(count);
    }
    const logId = (shard['logId'] ?? null) as LogId | null;
    return { ...shardLedger(Object.entries(shard)), logId, tenants };
  }
}

function shardLedger(fields: readonly (readonly [string, string | null])[]): ShardLedger {
  const counts: Record<Lane, Partial<Record<RecordOutcome, number>>> = { control: {}, telemetry: {} };
  const positions = { control: 0 as Offset, telemetry: 0 as Offset };
  for (const [field, value] of fields) {
    if (value === null) continue;
    if (field === 'control' || field === 'telemetry') positions[field] = Number(value) as Offset;
    const match = LEDGER_FIELD.exec(field);
    if (match !== null) counts[match[1] as Lane][match[2] as RecordOutcome] = Number(value);
  }
  return { positions, counts };
}

function outboxKeys(partition: Partition): readonly string[] {
  return [redisKeys.outbox(partition), redisKeys.outboxOrder(partition)];
}
