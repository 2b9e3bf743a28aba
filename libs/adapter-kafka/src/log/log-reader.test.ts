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

/** A broker that brings one record at a time, of the first partition of a request that has one; another is silent. */
class OneAtATime {
  /** Partitions that the silent broker leads. */
  readonly silent = new Set<number>();

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
      const asked = askedOf(request.payload);
      const answer: FetchAnswer = {
        errorCode: 0,
        partitions: asked.map(({ topicId, partition, from }, at) => {
          const frames = at === 0 ? [frameAt(from)] : [];
          return { topicId, partition, errorCode: 0, end: from + 1, frames, error: null };
        }),
      };
      return answer as Answer;
    },
  };
}

describe('LogReader', () => {
  let broker: OneAtATime;
  let reader: LogReader<Lane>;

  beforeEach(() => {
    broker = new OneAtATime();
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

  it('answers who asks for nothing at once', async () => {
    const startedAtMs = performance.now();
    expect(await reader.read([], { ...LIMITS, waitMs: 60_000 })).toEqual([]);
    expect(performance.now() - startedAtMs).toBeLessThan(30_000);
  });
});

function frameAt(offset: number): LogFrame {
  return { firstOffset: offset as Offset, lastOffset: offset as Offset, appendedAtMs: 1, body: Buffer.from('a') };
}

/** What a fetch asks for, in its order. */
function askedOf(payload: Writer): { readonly topicId: string; readonly partition: number; readonly from: number }[] {
  const reader = Reader.from(payload.buffer);
  // Replica, wait, bytes at least and at most, isolation, session and its epoch.
  reader.skip(4 + 4 + 4 + 4 + 1 + 4 + 4);
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
  return topics.flat();
}
