import type { LogId, Offset } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';
import type { LogFrame, ReadBatch, ReadLimits, ReadRequest } from '@breakwater/twin-runtime';

import { readStreams } from '../read-streams.ts';
import { isCluster, type RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { sendTogether } from '../send-together.ts';

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
  readonly #connection: RedisClient;
  readonly #known = new Map<string, KnownRange>();
  #comparedAtMs = 0;
  /** Counts the connections made: an answer from another one than the positions were compared on proves nothing. */
  #connections = 0;
  #logId: LogId | null = null;

  constructor(connection: RedisClient) {
    this.#connection = connection;
    const begins = (): void => {
      this.#connections += 1;
      this.#known.clear();
    };
    connection.on('ready', begins);
    if (!isCluster(connection)) return;
    // Of a cluster: a node is connected to, or the slots may lie elsewhere.
    connection.on('+node', begins);
    connection.on('refresh', begins);
  }

  async read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<readonly ReadBatch[]> {
    if (requests.length === 0) return [];
    await this.#comparePositions(requests);
    const connections = this.#connections;
    const byKey = new Map(requests.map((request) => [redisKeys.frames(request.lane, request.partition), request]));
    const found = await this.#readStreams(byKey, limits);
    // The read waited for a reconnect, and the server may have come back with other data. The next one compares first.
    if (connections !== this.#connections) return [];
    const batches = found.map(([key, entries]) => {
      const name = key.toString();
      const request = byKey.get(name)!;
      byKey.delete(name);
      return this.#batchOf(request, entries);
    });
    await this.#missTrimmed(byKey);
    return batches;
  }

  async #readStreams(
    requests: ReadonlyMap<string, ReadRequest>,
    { framesMaxPerPartition, waitMs }: ReadLimits,
  ): Promise<readonly StreamReply[]> {
    const places = [...requests].map(([key, { from }]) => ({ key, after: from === 0 ? '0-0' : `${from - 1}-1` }));
    const read = (args: (string | number)[]) => this.#connection.callBuffer('XREAD', args) as Promise<StreamReply[]>;
    return readStreams(read, this.#connection, { places, count: framesMaxPerPartition, waitMs });
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
    const [logId, ...bounds] = await sendTogether(this.#connection, [
      ['get', redisKeys.logId],
      ...unknown.map(({ lane, partition }) => ['hmget', redisKeys.lane(lane, partition), 'first', 'end'] as const),
    ]);
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
