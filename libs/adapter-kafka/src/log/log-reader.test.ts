import { setTimeout as delay } from 'node:timers/promises';

import type { Offset, Partition } from '@breakwater/twin';
import type { Lane, LogFrame, ReadRequest } from '@breakwater/twin-runtime';
import { type Broker, Reader, type Writer } from '@platformatic/kafka';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { BrokerConnections, BrokerRequest } from './broker-connections.ts';
import type { FetchAnswer } from './fetch-request.ts';
import { LogReader } from './log-reader.ts';
import type { LogTopology } from './log-topology.ts';

const TOPIC_IDS = {
  control: '00000000-0000-4000-8000-000000000001',
  telemetry: '00000000-0000-4000-8000-000000000002',
} as const;
const SILENT = 2;
/** After so long a reader that cannot read says so. */
const SILENCE_IS_TROUBLE_MS = 15_000;
const LIMITS = { framesMaxPerPartition: 10, waitMs: 1_000 };

/** A broker that brings some records at a time, of the first partition of a request that has any; another is silent. */
class LittleAtATime {
  /** Partitions that the silent broker leads. */
  readonly silent = new Set<number>();
  /** Partitions that have nothing. */
  readonly empty = new Set<number>();
  records = 1;
  readonly fetches: { readonly waitMs: number; readonly partitions: readonly number[] }[] = [];

  readonly topology = {
    refresh: () => Promise.resolve(),
    knownLeaderOf: (_lane: Lane, partition: number) => {
      const nodeId = this.silent.has(partition) ? SILENT : 1;
      return { nodeId, host: 'broker', port: nodeId };
    },
    topicIdOf: (lane: Lane) => Promise.resolve(TOPIC_IDS[lane]),
  };

  readonly connections = {
    close: () => undefined,
    ask: async <Answer>({ port }: Broker, request: BrokerRequest<Answer>): Promise<Answer> => {
      if (port === SILENT) return new Promise(() => undefined);
      await delay(1);
      const { waitMs, partitions: asked } = askedOf(request.payload);
      this.fetches.push({ waitMs, partitions: asked.map(({ partition }) => partition) });
      const full = asked.find(({ partition }) => !this.empty.has(partition));
      // Nothing comes, however long it is held.
      if (full === undefined && waitMs > 0) return new Promise(() => undefined);
      const answer: FetchAnswer = {
        errorCode: 0,
        partitions: asked.map(({ topicId, partition, from }) => {
          const frames = partition === full?.partition ? framesFrom(from, this.records) : [];
          const end = this.empty.has(partition) ? from : from + 1;
          return { topicId, partition, errorCode: 0, end, bytes: 1, decode: () => ({ frames, error: null }) };
        }),
      };
      return answer as Answer;
    },
  };
}

describe('LogReader', () => {
  let broker: LittleAtATime;
  let reader: LogReader<Lane>;

  beforeEach(() => {
    broker = new LittleAtATime();
    reader = new LogReader<Lane>(
      broker.topology as unknown as LogTopology,
      broker.connections as unknown as BrokerConnections,
    );
  });

  afterEach(() => reader.close());

  it('lets no partition wait behind those that always have something', async () => {
    const next = new Map<Partition, number>([0, 1, 2, 3].map((partition) => [partition as Partition, 0]));
    for (let reads = 0; reads < 40; reads += 1) {
      const requests = [...next].map(([partition, from]): ReadRequest => {
        return { lane: 'telemetry', partition, from: from as Offset };
      });
      for (const { partition, frames } of await reader.read(requests, LIMITS)) {
        next.set(partition, frames.at(-1)!.lastOffset + 1);
      }
    }
    for (const read of next.values()) expect(read).toBeGreaterThan(5);
  });

  it('holds nobody up who has other work while a broker is silent', async () => {
    broker.silent.add(0).add(1);
    const requests = [0, 1].map((partition): ReadRequest => {
      return { lane: 'telemetry', partition: partition as Partition, from: 0 as Offset };
    });
    for (const waitMs of [0, 20]) {
      const startedAtMs = performance.now();
      expect(await reader.read(requests, { ...LIMITS, waitMs, mayMiss: true })).toEqual([]);
      expect(performance.now() - startedAtMs).toBeLessThan(SILENCE_IS_TROUBLE_MS / 2);
    }
  });

  it('does not call it the end of a partition that its broker is silent', async () => {
    broker.silent.add(0);
    const request: ReadRequest = { lane: 'telemetry', partition: 0 as Partition, from: 0 as Offset };
    const read = reader.read([request], { ...LIMITS, waitMs: 0 });
    const first = await Promise.race([read.then(() => 'answered'), delay(500).then(() => 'waits')]);
    expect(first).toBe('waits');
    reader.close();
    await read;
  });

  it('lets a broker hold a fetch only when that keeps nothing else waiting', async () => {
    broker.empty.add(1);
    broker.records = 10;
    let next = 0;
    for (let reads = 0; reads < 20; reads += 1) {
      const [batch] = await reader.read(requestsAt(next, 0), { ...LIMITS, framesMaxPerPartition: 5 });
      next = batch!.frames.at(-1)!.lastOffset + 1;
    }
    for (const { partitions, waitMs } of broker.fetches) expect(partitions.length === 2 || waitMs === 0).toBe(true);
    // Who does not wait has other partitions, which it will ask for soon.
    broker.fetches.splice(0);
    for (let reads = 0; reads < 4; reads += 1) {
      const [batch] = await reader.read(requestsAt(next, 0), { ...LIMITS, waitMs: 0 });
      next = batch!.frames.at(-1)!.lastOffset + 1;
    }
    await delay(10);
    expect(broker.fetches.filter(({ waitMs }) => waitMs > 0)).toEqual([]);
  });

  it('does not keep who has other work until a held fetch ends', async () => {
    const [batch] = await reader.read(requestsAt(0, 0), LIMITS);
    expect(batch?.frames).toHaveLength(1);
    broker.empty.add(0).add(1);
    const startedAtMs = performance.now();
    for (let reads = 0; reads < 20; reads += 1) {
      const [first] = await reader.read(requestsAt(100, 100), { ...LIMITS, waitMs: 0, mayMiss: true });
      expect(first).toBeUndefined();
    }
    // Each would wait for a tenth of a second.
    expect(performance.now() - startedAtMs).toBeLessThan(1_500);
  });

  it('keeps what it has of partitions that a caller asks for by turns', async () => {
    broker.records = 10;
    const next = [0, 0];
    for (let reads = 0; reads < 20; reads += 1) {
      const partition = (reads % 2) as Partition;
      const request: ReadRequest = { lane: 'telemetry', partition, from: next[partition] as Offset };
      const [batch] = await reader.read([request], { ...LIMITS, framesMaxPerPartition: 1 });
      next[partition] = batch!.frames.at(-1)!.lastOffset + 1;
    }
    expect(next).toEqual([10, 10]);
    expect(broker.fetches.length).toBeLessThanOrEqual(4);
  });

  it('answers who asks for nothing at once', async () => {
    const startedAtMs = performance.now();
    expect(await reader.read([], { ...LIMITS, waitMs: 60_000 })).toEqual([]);
    expect(performance.now() - startedAtMs).toBeLessThan(30_000);
  });
});

/** Of partitions 0 and 1. */
function requestsAt(...offsets: number[]): ReadRequest[] {
  return offsets.map((from, partition): ReadRequest => {
    return { lane: 'telemetry', partition: partition as Partition, from: from as Offset };
  });
}

function framesFrom(first: number, count: number): LogFrame[] {
  return Array.from({ length: count }, (_, index): LogFrame => {
    const offset = (first + index) as Offset;
    return { firstOffset: offset, lastOffset: offset, appendedAtMs: 1, body: Buffer.from('a') };
  });
}

/** What a fetch asks for, in its order. */
function askedOf(payload: Writer) {
  const reader = Reader.from(payload.buffer);
  // The replica.
  reader.skip(4);
  const waitMs = reader.readInt32();
  // Bytes at least and at most, isolation, session and its epoch.
  reader.skip(4 + 4 + 1 + 4 + 4);
  const topics = reader.readArray((topicReader) => {
    const topicId = topicReader.readUUID();
    return topicReader.readArray((partitionReader) => {
      const partition = partitionReader.readInt32();
      partitionReader.readInt32();
      const from = Number(partitionReader.readInt64());
      partitionReader.skip(4 + 8 + 4);
      return { topicId, partition, from };
    });
  });
  return { waitMs, partitions: topics.flat() };
}
