import { randomUUID } from 'node:crypto';

import { assert, type DeviceKey, type LogId, type Offset, type Partition } from '@breakwater/twin';
import {
  type LanePositions,
  type PartitionSnapshot,
  PlatformError,
  type RestoreStart,
  type SnapshotRound,
  type SnapshotSource,
  type StoredTwin,
  type TimerWrite,
  type TwinRestorer,
} from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { pipelined } from '../redis-script.ts';
import {
  beginRestoreScript,
  beginRoundScript,
  endRestoreScript,
  endRoundScript,
  writeRestoreScript,
} from '../scripts/snapshot-scripts.ts';
import { sectionsOf, storedTwin, timerMember, twinValue } from './commit-arguments.ts';

/** The shard's hash and its outbox, oldest first: with the twins, all that a commit writes. Timers are in the twins. */
interface ShardText {
  readonly fields: Readonly<Record<string, string>>;
  readonly outbox: readonly (readonly [id: string, value: string])[];
}

const SCAN_COUNT = 1_000;
/** What of a shard is of one owner, or of one moment of this store: it is not restored. */
const NOT_RESTORED: ReadonlySet<string> = new Set([
  ...['epoch', 'epochs', 'takenAt', 'attempts', 'committedBy', 'restoring', 'restoringUntil'],
  ...['attemptedAt', 'attemptsThere', 'attemptedBy'],
]);
const NOBODY = 'restored';
/** For so long after its last word somebody who restores is taken to be at work. */
const RESTORE_LEASE_MS = 15_000;
/** Of twins and of timers in one script, so some milliseconds of Redis. */
const ENTRIES_PER_WRITE = 250;

/** Copies of partitions out of Redis, and back into one that has lost them. */
export class RedisTwinSnapshots implements SnapshotSource, TwinRestorer {
  readonly #redis: RedisClient;
  readonly #restoreLeaseMs: number;
  /** Who restores: this object, and no other. */
  readonly #restorer = randomUUID();

  constructor(redis: RedisClient, { restoreLeaseMs = RESTORE_LEASE_MS }: { readonly restoreLeaseMs?: number } = {}) {
    this.#redis = redis;
    this.#restoreLeaseMs = restoreLeaseMs;
  }

  async beginRound(partition: Partition): Promise<SnapshotRound | null> {
    const reply = await beginRoundScript.run(
      this.#redis,
      [redisKeys.shard(partition), redisKeys.twinsChanged(partition), ...roundKeys(partition)],
      [],
    );
    if (reply === null) return null;
    const [number, logId, control, telemetry, ...ended] = reply as readonly (string | null)[];
    const [endedLogId, endedControl, endedTelemetry] = ended;
    return {
      number: Number(number),
      logId: logId as LogId,
      positions: positionsOf(control, telemetry),
      covered:
        endedLogId == null
          ? null
          : { logId: endedLogId as LogId, positions: positionsOf(endedControl, endedTelemetry) },
    };
  }

  async endRound(partition: Partition, number: number): Promise<void> {
    await endRoundScript.run(this.#redis, roundKeys(partition), [String(number)]);
  }

  async *changedKeys(partition: Partition): AsyncGenerator<readonly DeviceKey[]> {
    let cursor = '0';
    do {
      const [next, keys] = await this.#redis.sscan(redisKeys.twinsInRound(partition), cursor, 'COUNT', SCAN_COUNT);
      cursor = next;
      if (keys.length > 0) yield keys as DeviceKey[];
    } while (cursor !== '0');
  }

  async *allKeys(partition: Partition): AsyncGenerator<readonly DeviceKey[]> {
    let cursor = '0';
    do {
      const reply = await this.#redis.hscan(redisKeys.twins(partition), cursor, 'COUNT', SCAN_COUNT);
      cursor = reply[0];
      const keys = reply[1].filter((_, at) => at % 2 === 0);
      if (keys.length > 0) yield keys as DeviceKey[];
    } while (cursor !== '0');
  }

  /** One transaction: no commit can come in between. */
  async snapshot(partition: Partition, keys: readonly DeviceKey[]): Promise<PartitionSnapshot> {
    const transaction = this.#redis
      .multi()
      .hgetall(redisKeys.shard(partition))
      .zrange(redisKeys.outboxOrder(partition), '0', '-1')
      .hgetall(redisKeys.outbox(partition));
    if (keys.length > 0) {
      transaction.hmget(redisKeys.twins(partition), ...keys).hmget(redisKeys.twinDocuments(partition), ...keys);
    }
    const replies = await pipelined(transaction);
    const [fields, order, entries] = replies as [Record<string, string>, string[], Record<string, string>];
    const [values, documents] = replies.slice(3) as (string | null)[][];
    const logId = fields['logId'];
    assert(logId !== undefined, 'a round is of a shard that has committed');
    const outbox = order.flatMap((id) => (entries[id] === undefined ? [] : [[id, entries[id]] as const]));
    return {
      partition,
      logId: logId as LogId,
      positions: positionsOf(fields['control'], fields['telemetry']),
      twins: keys.map((key, at) => storedTwin(key, values![at]!, documents![at]!)),
      shard: JSON.stringify({ fields, outbox } satisfies ShardText),
    };
  }

  async begin(partition: Partition, { replace = false }: { readonly replace?: boolean } = {}): Promise<RestoreStart> {
    const keys = [
      ...[redisKeys.shard(partition), redisKeys.twins(partition), redisKeys.twinDocuments(partition)],
      ...[redisKeys.timers(partition), redisKeys.timerGenerations(partition)],
      ...[redisKeys.outbox(partition), redisKeys.outboxOrder(partition)],
      ...[redisKeys.twinsChanged(partition), ...roundKeys(partition)],
    ];
    const args = [NOBODY, replace ? '1' : '0', this.#restorer, String(this.#restoreLeaseMs)];
    const reply = Number(await beginRestoreScript.run(this.#redis, keys, args));
    if (reply < 0) return { kind: 'others', forMs: -reply };
    return { kind: reply === 0 ? 'there' : 'begun' };
  }

  async write(partition: Partition, twins: readonly StoredTwin[], timers: readonly TimerWrite[]): Promise<void> {
    const ofTwins = twins.flatMap(({ key, revision, state }) => {
      if (state === null) return [];
      const { document, telemetry } = sectionsOf(state);
      return [[key, twinValue(Math.max(1, revision), telemetry), document]];
    });
    const ofTimers = timers.flatMap(({ key, timerId, dueAtMs, generation }) =>
      dueAtMs === null ? [] : [[String(dueAtMs), timerMember(key, timerId), String(generation)]],
    );
    const keys = [
      ...[redisKeys.shard(partition), redisKeys.twins(partition), redisKeys.twinDocuments(partition)],
      ...[redisKeys.timers(partition), redisKeys.timerGenerations(partition)],
    ];
    // With nothing to write, once: it says that this restorer is still at it.
    for (let at = 0; at === 0 || at < Math.max(ofTwins.length, ofTimers.length); at += ENTRIES_PER_WRITE) {
      const some = ofTwins.slice(at, at + ENTRIES_PER_WRITE);
      const timersOfSome = ofTimers.slice(at, at + ENTRIES_PER_WRITE);
      const args = [...this.#restorerArgs, String(some.length), ...some.flat(), ...timersOfSome.flat()];
      if ((await writeRestoreScript.run(this.#redis, keys, args)) !== 1) throw takenOver(partition);
    }
  }

  async end(partition: Partition, shard: string): Promise<void> {
    const { fields, outbox } = JSON.parse(shard) as ShardText;
    const restored = Object.entries(fields).filter(([name]) => !NOT_RESTORED.has(name));
    const keys = [redisKeys.shard(partition), redisKeys.outbox(partition), redisKeys.outboxOrder(partition)];
    const args = [...restored.flat(), 'outboxSeq', String(Number(fields['outboxSeq'] ?? 0) + outbox.length)];
    const all = [this.#restorer, String(restored.length + 1), ...args, ...outbox.flat()];
    if ((await endRestoreScript.run(this.#redis, keys, all)) !== 1) throw takenOver(partition);
  }

  get #restorerArgs(): readonly [string, string] {
    return [this.#restorer, String(this.#restoreLeaseMs)];
  }
}

function takenOver(partition: Partition): PlatformError {
  return new PlatformError('REBUILD_RUNNING', `another rebuild has taken partition ${partition} over`);
}

function roundKeys(partition: Partition): readonly [string, string] {
  return [redisKeys.twinsInRound(partition), redisKeys.snapshotRound(partition)];
}

function positionsOf(control: string | null | undefined, telemetry: string | null | undefined): LanePositions {
  return { control: Number(control ?? 0) as Offset, telemetry: Number(telemetry ?? 0) as Offset };
}
