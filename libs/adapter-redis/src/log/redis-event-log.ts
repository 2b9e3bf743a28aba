import { randomBytes } from 'node:crypto';

import type { LogId, Offset, Partition } from '@breakwater/twin';
import { assert } from '@breakwater/twin';
import { LANES, RESERVE_SHARES } from '@breakwater/twin-runtime';
import type {
  AppendRequest,
  AppendResult,
  EventLog,
  Lane,
  LogBounds,
  ReadBatch,
  ReadLimits,
  ReadRequest,
} from '@breakwater/twin-runtime';

import { blockingConnection } from '../connect-redis.ts';
import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { throwUnlessAnswered, valuesOf, type Reply, type ScriptCall } from '../redis-script.ts';
import { appendScript } from '../scripts/append-script.ts';
import { fenceProducerScript } from '../scripts/fence-producer-script.ts';
import { trimScript } from '../scripts/trim-script.ts';
import { sendTogether } from '../send-together.ts';
import { FrameReader } from './frame-reader.ts';

export interface RedisEventLogOptions {
  readonly redis: RedisClient;
  /** What one lane of one partition may hold, in bytes, with what a frame costs beside its body. */
  readonly laneBytesMax: Readonly<Record<Lane, number>>;
  readonly frameBytesMax: number;
  /** What the telemetry lane of a partition may hold above its budget, of records of the platform's own. */
  readonly telemetryReserveBytes?: number;
}

/** A frame's id, fields and bookkeeping in a stream, roughly; counted so that tiny frames cannot outgrow the budget. */
const FRAME_OVERHEAD_BYTES = 128;
/**
 * How many of a producer's last appends can be asked for again. A producer may have no more than this many appends of
 * one lane and partition under way.
 */
export const REMEMBERED_SEQS = 16;
/**
 * How long an idle or fenced producer is remembered. Forgetting it is safe: a later seq is then refused as a gap, and a
 * first append that is repeated so late does not exist, because processes repeat an append for minutes, not days. A
 * producer that lives but has nothing to append says so by `keepProducer`.
 */
const PRODUCER_LIFE_MS = 7 * 86_400_000;
const READ_WAIT_MS_MAX = 10_000;

type ScriptReply = readonly [kind: string, firstOffset: number, appendedAtMs: number];
type RefusalCode = Extract<AppendResult, { kind: 'refused' }>['code'];

/**
 * The log on Redis Streams: one stream per lane and partition, one entry per frame, and the entry's id is the frame's
 * last offset. "After id" reads and trims by id are then exact from inside a frame too (ADR 0003).
 */
export class RedisEventLog implements EventLog {
  readonly #options: RedisEventLogOptions;
  #readConnection: RedisClient | null = null;
  #reader: FrameReader | null = null;

  constructor(options: RedisEventLogOptions) {
    this.#options = options;
  }

  /** Another reader with a connection of its own, on the same log. */
  reader(): RedisEventLog {
    return new RedisEventLog(this.#options);
  }

  async logId(): Promise<LogId> {
    const { redis } = this.#options;
    const known = await redis.get(redisKeys.logId);
    if (known !== null) return known as LogId;
    await redis.set(redisKeys.logId, newLogId(), 'NX');
    return (await redis.get(redisKeys.logId)) as LogId;
  }

  async append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const { redis, frameBytesMax } = this.#options;
    const results: AppendResult[] = [];
    const sent: number[] = [];
    const calls: ScriptCall[] = [];
    for (const [index, request] of requests.entries()) {
      if (Buffer.byteLength(request.body) > frameBytesMax) {
        results[index] = { kind: 'refused', code: 'FRAME_TOO_LARGE' };
        continue;
      }
      sent.push(index);
      calls.push(appendCall(request, this.#bytesMaxFor(request)));
    }
    const replies = await appendScript.runAll(redis, calls);
    const answers = replies.map(resultOf);
    // On one server, and when all nodes of a cluster are away, that is an outage and not the fate of one frame.
    if (answers.every(({ kind }) => kind === 'unknown')) throwUnlessAnswered(replies);
    for (const [place, index] of sent.entries()) results[index] = answers[place]!;
    return results;
  }

  read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<readonly ReadBatch[]> {
    this.#readConnection ??= blockingConnection(this.#options.redis, READ_WAIT_MS_MAX);
    this.#reader ??= new FrameReader(this.#readConnection);
    return this.#reader.read(requests, { ...limits, waitMs: Math.min(limits.waitMs, READ_WAIT_MS_MAX) });
  }

  async bounds(lane: Lane, partition: Partition): Promise<LogBounds> {
    const key = redisKeys.lane(lane, partition);
    const fields = await this.#options.redis.hmget(key, 'first', 'end', 'appendedBytes', 'trimmedBytes');
    const [first, end, appended, trimmed] = fields.map((text) => Number(text ?? 0)) as [number, number, number, number];
    return { first: first as Offset, end: end as Offset, bytes: appended - trimmed };
  }

  async trim(lane: Lane, partition: Partition, before: Offset): Promise<void> {
    await trimScript.run(
      this.#options.redis,
      [redisKeys.lane(lane, partition), redisKeys.frames(lane, partition)],
      [before],
    );
  }

  async keepProducer(producerId: string, partitions: readonly Partition[]): Promise<void> {
    const keys = partitions.flatMap((partition) =>
      LANES.map((lane) => redisKeys.producer(lane, partition, producerId)),
    );
    await sendTogether(
      this.#options.redis,
      keys.map((key) => ['pexpire', key, PRODUCER_LIFE_MS]),
    );
  }

  async fenceProducer(producerId: string, partitions: readonly Partition[]): Promise<void> {
    const calls = partitions.map((partition) => ({
      keys: LANES.map((lane) => redisKeys.producer(lane, partition, producerId)),
      args: [PRODUCER_LIFE_MS],
    }));
    valuesOf(await fenceProducerScript.runAll(this.#options.redis, calls));
  }

  #bytesMaxFor({ lane, source = 'inbound' }: AppendRequest): number {
    const { laneBytesMax, telemetryReserveBytes = 0 } = this.#options;
    const reserveBytes = lane === 'telemetry' ? telemetryReserveBytes : 0;
    return laneBytesMax[lane] + Math.floor(reserveBytes * RESERVE_SHARES[source]);
  }

  /** Ends this instance's reading connection; the connection that it was given stays open. */
  close(): void {
    this.#readConnection?.disconnect();
  }
}

/**
 * Says that this log is no longer the one that it was, after its data was restored from a backup: consumers then stop
 * instead of taking its offsets for those that they have seen. Readers that run notice it within seconds.
 */
export async function mintLogId(redis: RedisClient): Promise<LogId> {
  const logId = newLogId();
  await redis.set(redisKeys.logId, logId);
  return logId;
}

function newLogId(): LogId {
  return randomBytes(12).toString('hex') as LogId;
}

function appendCall(request: AppendRequest, bytesMax: number): ScriptCall {
  const { lane, partition, producerId, seq, body, recordCount } = request;
  assert(Number.isSafeInteger(seq) && seq > 0, 'a producer counts its appends from 1');
  assert(Number.isSafeInteger(recordCount) && recordCount > 0, 'a frame holds at least one record');
  return {
    keys: [
      redisKeys.lane(lane, partition),
      redisKeys.frames(lane, partition),
      redisKeys.producer(lane, partition, producerId),
    ],
    args: [seq, recordCount, body, bytesMax, FRAME_OVERHEAD_BYTES, REMEMBERED_SEQS, PRODUCER_LIFE_MS],
  };
}

/**
 * A Redis whose memory is used up refuses the script before it runs, so that is a definite refusal. Every other error
 * leaves the outcome open, or is a fault of ours; repeating the request is safe.
 */
function resultOf([error, value]: Reply): AppendResult {
  if (error !== null) {
    if (error.message.startsWith('OOM')) return { kind: 'refused', code: 'LANE_FULL' };
    return { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error };
  }
  const [kind, firstOffset, appendedAtMs] = value as ScriptReply;
  if (kind !== 'appended' && kind !== 'repeated') return { kind: 'refused', code: kind as RefusalCode };
  return { kind: 'appended', firstOffset: firstOffset as Offset, appendedAtMs, repeated: kind === 'repeated' };
}
