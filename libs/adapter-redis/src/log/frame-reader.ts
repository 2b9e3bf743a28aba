import type { LogId, Offset } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';
import type { LogFrame, ReadBatch, ReadLimits, ReadRequest } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { redisKeys } from '../redis-keys.ts';
import { pipelined } from '../redis-script.ts';

/** Offsets that are known to have been in the log, or to be its end, when the positions were last compared. */
interface KnownRange {
  readonly low: Offset;
  readonly high: Offset;
}

type StreamReply = readonly [key: Buffer, entries: readonly [id: Buffer, fields: readonly Buffer[]][]];

const COMPARE_EVERY_MS = 5_000;

/**
 * Reads frames, and never skips a record silently.
 *
 * XREAD answers "what comes after this id": asked behind the log's end it waits, and asked before its beginning it
 * starts at what is left. Both would pass for a normal answer. So a position is compared with the log's bounds when it
 * is first seen, again after every reconnect (the server may have come back with other data) and every few seconds; and
 * in every answer the first frame must hold the position asked for, and each further one follow the one before.
 */
export class FrameReader {
  readonly #connection: Redis;
  readonly #known = new Map<string, KnownRange>();
  #comparedAtMs = 0;
  /** Counts the connections made: an answer from another one than the positions were compared on proves nothing. */
  #connections = 0;
  #logId: LogId | null = null;

  constructor(connection: Redis) {
    this.#connection = connection;
    connection.on('ready', () => {
      this.#connections += 1;
      this.#known.clear();
    });
  }

  async read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<readonly ReadBatch[]> {
    if (requests.length === 0) return [];
    await this.#comparePositions(requests);
    const connections = this.#connections;
    const byKey = new Map(requests.map((request) => [redisKeys.frames(request.lane, request.partition), request]));
    const reply = (await this.#connection.callBuffer('XREAD', [
      'COUNT',
      limits.framesMaxPerPartition,
      // BLOCK 0 would wait for ever.
      ...(limits.waitMs > 0 ? ['BLOCK', Math.ceil(limits.waitMs)] : []),
      'STREAMS',
      ...byKey.keys(),
      ...requests.map(({ from }) => (from === 0 ? '0-0' : `${from - 1}-1`)),
    ])) as readonly StreamReply[] | null;
    // The read waited for a reconnect, and the server may have come back with other data. The next one compares first.
    if (connections !== this.#connections) return [];
    const batches = (reply ?? []).map(([key, entries]) => {
      const name = key.toString();
      const request = byKey.get(name)!;
      byKey.delete(name);
      return this.#batchOf(request, entries);
    });
    await this.#missTrimmed(byKey);
    return batches;
  }

  /** Where there was something and now nothing is read, it was trimmed: comparing again says so. */
  async #missTrimmed(unanswered: ReadonlyMap<string, ReadRequest>): Promise<void> {
    const missed: ReadRequest[] = [];
    for (const [name, request] of unanswered) {
      const range = this.#known.get(name);
      if (range === undefined || request.from >= range.high) continue;
      this.#known.delete(name);
      missed.push(request);
    }
    if (missed.length > 0) await this.#comparePositions(missed);
  }

  #batchOf(request: ReadRequest, entries: StreamReply[1]): ReadBatch {
    const { lane, partition, from } = request;
    const frames = entries.map(([id, fields]) => frameOf(id, fields));
    let expected = from;
    for (const [index, frame] of frames.entries()) {
      const follows = index === 0 ? frame.firstOffset <= expected : frame.firstOffset === expected;
      if (!follows) {
        this.#known.clear();
        throw outOfRange(request, `the log goes on at ${frame.firstOffset}`);
      }
      expected = (frame.lastOffset + 1) as Offset;
    }
    this.#known.set(redisKeys.frames(lane, partition), { low: from, high: expected });
    return { lane, partition, frames };
  }

  async #comparePositions(requests: readonly ReadRequest[]): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#comparedAtMs > COMPARE_EVERY_MS) this.#known.clear();
    const unknown = requests.filter((request) => {
      const range = this.#known.get(redisKeys.frames(request.lane, request.partition));
      return range === undefined || request.from < range.low || request.from > range.high;
    });
    if (unknown.length === 0) return;
    const pipeline = this.#connection.pipeline().get(redisKeys.logId);
    for (const { lane, partition } of unknown) pipeline.hmget(redisKeys.lane(lane, partition), 'first', 'end');
    const [logId, ...bounds] = await pipelined(pipeline);
    this.#compareLog(logId as LogId | null);
    for (const [index, request] of unknown.entries()) {
      const [first, end] = (bounds[index] as (string | null)[]).map((text) => Number(text ?? 0));
      const { lane, partition, from } = request;
      if (from < first! || from > end!) throw outOfRange(request, `the log holds ${first} to ${end}`);
      this.#known.set(redisKeys.frames(lane, partition), { low: from, high: from });
    }
    this.#comparedAtMs = nowMs;
  }

  #compareLog(logId: LogId | null): void {
    if (this.#logId !== null && logId !== this.#logId) {
      const message = `the log is ${String(logId)}, and this reader began on ${this.#logId}`;
      throw new PlatformError('LOG_CHANGED', message, { details: { logId } });
    }
    this.#logId = logId;
  }
}

function frameOf(id: Buffer, fields: readonly Buffer[]): LogFrame {
  const [, body, , count, , time] = fields;
  const lastOffset = Number.parseInt(id.toString('latin1'), 10);
  return {
    firstOffset: (lastOffset - Number(count!.toString('latin1')) + 1) as Offset,
    lastOffset: lastOffset as Offset,
    appendedAtMs: Number(time!.toString('latin1')),
    body: body!,
  };
}

function outOfRange({ lane, partition, from }: ReadRequest, reason: string): PlatformError {
  return new PlatformError(
    'POSITION_OUT_OF_RANGE',
    `offset ${from} of lane ${lane}, partition ${partition} cannot be read: ${reason}`,
    { details: { lane, partition, from } },
  );
}
