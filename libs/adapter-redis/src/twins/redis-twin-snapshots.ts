import { assert, type DeviceKey, type LogId, type Offset, type Partition } from '@breakwater/twin';
import type {
  LanePositions,
  PartitionSnapshot,
  SnapshotRound,
  SnapshotSource,
  StoredTwin,
  TimerWrite,
  TwinRestorer,
} from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { pipelined } from '../redis-script.ts';
import { beginRestoreScript, beginRoundScript, endRestoreScript, endRoundScript } from '../scripts/snapshot-scripts.ts';
import { sectionsOf, storedTwin, timerMember, twinValue } from './commit-arguments.ts';

/** The shard's hash and its outbox, oldest first: with the twins, all that a commit writes. Timers are in the twins. */
interface ShardText {
  readonly fields: Readonly<Record<string, string>>;
  readonly outbox: readonly (readonly [id: string, value: string])[];
}

const SCAN_COUNT = 1_000;
/** What of a shard is of one owner, or of one moment of this store: it is not restored. */
const NOT_RESTORED: ReadonlySet<string> = new Set([
  ...['epoch', 'epochs', 'takenAt', 'attempts', 'committedBy', 'restoring'],
  ...['attemptedAt', 'attemptsThere', 'attemptedBy'],
]);
const NOBODY = 'restored';

/** Copies of partitions out of Redis, and back into one that has lost them. */
export class RedisTwinSnapshots implements SnapshotSource, TwinRestorer {
  readonly #redis: RedisClient;

  constructor(redis: RedisClient) {
    this.#redis = redis;
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

  async begin(partition: Partition, { replace = false }: { readonly replace?: boolean } = {}): Promise<boolean> {
    const keys = [
      ...[redisKeys.shard(partition), redisKeys.twins(partition), redisKeys.twinDocuments(partition)],
      ...[redisKeys.timers(partition), redisKeys.timerGenerations(partition)],
      ...[redisKeys.outbox(partition), redisKeys.outboxOrder(partition)],
      ...[redisKeys.twinsChanged(partition), ...roundKeys(partition)],
    ];
    return (await beginRestoreScript.run(this.#redis, keys, [NOBODY, replace ? '1' : '0'])) === 1;
  }

  async write(partition: Partition, twins: readonly StoredTwin[], timers: readonly TimerWrite[]): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const { key, revision, state } of twins) {
      if (state === null) continue;
      const { document, telemetry } = sectionsOf(state);
      pipeline.hset(redisKeys.twins(partition), key, twinValue(Math.max(1, revision), telemetry));
      pipeline.hset(redisKeys.twinDocuments(partition), key, document);
    }
    for (const { key, timerId, dueAtMs, generation } of timers) {
      if (dueAtMs === null) continue;
      const member = timerMember(key, timerId);
      pipeline.zadd(redisKeys.timers(partition), dueAtMs, member);
      pipeline.hset(redisKeys.timerGenerations(partition), member, generation);
    }
    await pipelined(pipeline);
  }

  async end(partition: Partition, shard: string): Promise<void> {
    const { fields, outbox } = JSON.parse(shard) as ShardText;
    const restored = Object.entries(fields).filter(([name]) => !NOT_RESTORED.has(name));
    const keys = [redisKeys.shard(partition), redisKeys.outbox(partition), redisKeys.outboxOrder(partition)];
    const args = [...restored.flat(), 'outboxSeq', String(Number(fields['outboxSeq'] ?? 0) + outbox.length)];
    await endRestoreScript.run(this.#redis, keys, [String(restored.length + 1), ...args, ...outbox.flat()]);
  }
}

function roundKeys(partition: Partition): readonly [string, string] {
  return [redisKeys.twinsInRound(partition), redisKeys.snapshotRound(partition)];
}

function positionsOf(control: string | null | undefined, telemetry: string | null | undefined): LanePositions {
  return { control: Number(control ?? 0) as Offset, telemetry: Number(telemetry ?? 0) as Offset };
}
