import type { LogId, Partition } from '@breakwater/twin';
import { type Lane, LANES, type LogOrigin } from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { sendTogether } from '../send-together.ts';
import { mintLogId } from './redis-event-log.ts';

/** Lives of the log that are remembered. */
const ORIGINS_MAX = 32;

/** A lane of which the backup holds a position that it does not hold the records of: its twins stay where they are. */
export interface LeftBehind {
  readonly partition: Partition;
  readonly lane: Lane;
  readonly position: number;
  readonly first: number;
  readonly end: number;
}

export interface RestoredLog {
  readonly before: LogId;
  readonly logId: LogId;
  readonly leftBehind: readonly LeftBehind[];
}

interface ShardState {
  readonly partition: Partition;
  readonly logId: string | null;
  readonly telemetryEnd: number;
  readonly outside: readonly LeftBehind[];
}

/**
 * Gives a log that was restored from a backup an id of its own, with everything that the same backup holds: log and
 * twins of one Redis are of one moment, so the positions of the twins stay right, and are moved over to the new id.
 * What the log was before, and how far it reached, is noted for the telemetry writer, whose position is elsewhere.
 *
 * Nobody may work on it meanwhile. When it is cut off, it is to be done again: each step leaves a log that is not
 * mistaken for the old one, or for a whole one. Null: there is no log.
 */
export async function renewRestoredLog(redis: RedisClient, partitionCount: number): Promise<RestoredLog | null> {
  const before = (await redis.get(redisKeys.logId)) as LogId | null;
  if (before === null) return null;
  const partitions = Array.from({ length: partitionCount }, (_, at) => at as Partition);
  const shards = await Promise.all(partitions.map((partition) => stateOf(redis, partition)));
  const origins = await logOriginsOf(redis);
  const known = new Set<string>([before, ...origins.map(({ logId }) => logId)]);
  const ends = shards.map(({ telemetryEnd }) => telemetryEnd);
  const noted = [...origins, { logId: before, ends }].slice(-ORIGINS_MAX);
  await redis.set(redisKeys.logOrigins, JSON.stringify(noted));
  const logId = await mintLogId(redis);
  const adopted = shards.filter(
    (shard) => shard.logId !== null && known.has(shard.logId) && shard.outside.length === 0,
  );
  await sendTogether(
    redis,
    adopted.map(({ partition }) => ['hset', redisKeys.shard(partition), 'logId', logId]),
  );
  return { before, logId, leftBehind: shards.flatMap(({ outside }) => outside) };
}

/** What the log was before it was restored, oldest first. */
export async function logOriginsOf(redis: RedisClient): Promise<readonly LogOrigin[]> {
  const text = await redis.get(redisKeys.logOrigins);
  return text === null ? [] : (JSON.parse(text) as readonly LogOrigin[]);
}

async function stateOf(redis: RedisClient, partition: Partition): Promise<ShardState> {
  const [control, telemetry, shard] = await Promise.all([
    redis.hmget(redisKeys.lane('control', partition), 'first', 'end'),
    redis.hmget(redisKeys.lane('telemetry', partition), 'first', 'end'),
    redis.hmget(redisKeys.shard(partition), ...LANES, 'logId'),
  ]);
  const bounds = { control: numbersOf(control), telemetry: numbersOf(telemetry) };
  const outside = LANES.flatMap((lane, at) => {
    const position = Number(shard[at] ?? 0);
    const [first, end] = bounds[lane];
    return position >= first && position <= end ? [] : [{ partition, lane, position, first, end }];
  });
  return { partition, logId: shard[LANES.length] ?? null, telemetryEnd: bounds.telemetry[1], outside };
}

function numbersOf(texts: readonly (string | null)[]): readonly [number, number] {
  return [Number(texts[0] ?? 0), Number(texts[1] ?? 0)];
}
