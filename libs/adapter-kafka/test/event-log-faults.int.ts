import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Offset, Partition } from '@breakwater/twin';
import type { AppendRequest, AppendResult, LogFrame } from '@breakwater/twin-runtime';
import { Admin, Producer } from '@platformatic/kafka';

import { checkTopics, createTopics, KafkaEventLog } from '../src/index.ts';
import { CuttingProxy, kafkaAvailable } from '../src/testing/index.ts';
import { ChangingLoad } from './changing-load.ts';
import { KafkaUnderTest } from './kafka-under-test.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const TIMEOUT_MS = 120_000;
const CUTS = 20;
const KILLS = 2;
const APPENDS_BEFORE_KILL = 60;
const REPEATS_MAX = 400;
const CHANGES_BETWEEN_FAULTS = 400;

(kafkaAvailable() ? describe : describe.skip)('event log on Kafka, when things fail', () => {
  let proxy: CuttingProxy;
  let kafka: KafkaUnderTest;
  const open: KafkaEventLog[] = [];
  beforeAll(async () => {
    proxy = await CuttingProxy.start();
    kafka = new KafkaUnderTest({ properties: { 'advertised.listeners': `PLAINTEXT://${proxy.address}` } });
    await kafka.start((brokerAddress) => proxy.forwardTo(brokerAddress));
  }, TIMEOUT_MS);
  afterEach(async () => {
    for (const log of open.splice(0)) await log.close();
  });
  afterAll(async () => {
    await kafka.stop();
    await proxy.stop();
  }, TIMEOUT_MS);

  const emptyLog = async (more: Parameters<KafkaUnderTest['emptyLog']>[0] = {}): Promise<KafkaEventLog> => {
    const log = await kafka.emptyLog(more);
    open.push(log);
    return log;
  };

  it.each([
    ['and sends again by itself', 30_000],
    ['and leaves it to the caller to repeat', 5],
  ])(
    'appends once although the reply is lost, %s',
    async (_how, answerWithinMs) => {
      const log = await emptyLog({ answerWithinMs });
      const before = proxy.cuts;
      let seq = 0;
      for (let cut = 0; cut < CUTS; cut += 1) {
        const requests = [1, 2].flatMap((step) => [P0, P1].map((partition) => frame(seq + step, partition)));
        proxy.cutReplies(1 + (cut % 2));
        const results = await repeatedAll(log, requests);
        expect(results.map((each) => each.kind === 'appended' && each.firstOffset)).toEqual([
          2 * seq,
          2 * seq,
          2 * seq + 2,
          2 * seq + 2,
        ]);
        seq += 2;
      }
      proxy.cutReplies(0);
      expect(proxy.cuts - before).toBeGreaterThanOrEqual(CUTS);
      for (const partition of [P0, P1]) {
        const frames = await readAll(log, partition);
        expect(frames.map((each) => each.body.toString())).toEqual(
          Array.from({ length: seq }, (_, at) => `${at + 1}-a\n${at + 1}-b`),
        );
      }
    },
    TIMEOUT_MS,
  );

  it(
    'has every acknowledged record after the broker is killed under load, with contiguous offsets',
    async () => {
      const log = await emptyLog();
      const [broker] = kafka.cluster.brokers;
      const acknowledged = new Map<number, string>();
      let seq = 0;
      for (let kill = 0; kill < KILLS; kill += 1) {
        let killed: Promise<void> | undefined;
        for (let count = 0; count < 2 * APPENDS_BEFORE_KILL; count += 1) {
          const request = frame(++seq, P0);
          const attempt = repeatedAll(log, [request]);
          if (count === APPENDS_BEFORE_KILL) {
            killed = broker!.kill().then(() => {
              broker!.start();
              return kafka.cluster.ready();
            });
          }
          const [result] = await attempt;
          if (result?.kind !== 'appended') throw new Error(`append ${seq} was refused`);
          acknowledged.set(result.firstOffset, request.body.toString());
        }
        await killed;
      }
      const frames = await readAll(log, P0);
      expect(frames.map(({ firstOffset }) => firstOffset)).toEqual(frames.map((_, index) => 2 * index));
      expect(new Map(frames.map((each) => [each.firstOffset, each.body.toString()]))).toEqual(acknowledged);
    },
    TIMEOUT_MS,
  );

  it(
    'keeps every change that is published while the broker is killed and replies are cut, in the order of versions',
    async () => {
      const feed = await kafka.emptyFeed({ answerWithinMs: 500 });
      const load = new ChangingLoad(feed);
      const changing = load.run();
      try {
        await load.published(CHANGES_BETWEEN_FAULTS);
        proxy.cutReplies(2);
        await load.published(CHANGES_BETWEEN_FAULTS);
        await kafka.cluster.brokers[0]!.kill();
        kafka.cluster.brokers[0]!.start();
        await kafka.cluster.ready();
        await load.published(CHANGES_BETWEEN_FAULTS);
      } finally {
        proxy.cutReplies(0);
        load.stop();
        await changing;
      }
      expect(load.repeated).toBeGreaterThan(0);
      await load.check();
      feed.close();
    },
    TIMEOUT_MS,
  );

  it('is another feed when its topic was made anew, and goes on', async () => {
    const feed = await kafka.emptyFeed({ topicPrefix: 'feed-anew' });
    const load = new ChangingLoad(feed);
    await load.round();
    const feedId = await feed.feedId();
    const admin = new Admin({ clientId: 'suite', bootstrapBrokers: [proxy.address] });
    await admin.deleteTopics({ topics: ['feed-anew.changes.v1'] });
    await admin.close();
    (await kafka.emptyFeed({ topicPrefix: 'feed-anew' })).close();
    const again = new ChangingLoad(feed);
    await again.round();
    await again.check();
    expect(await feed.feedId()).not.toBe(feedId);
    feed.close();
  });

  it('is another log when a topic was made anew', async () => {
    const log = await emptyLog({ topicPrefix: 'anew' });
    await log.append([frame(1, P0)]);
    const logId = await log.logId();
    const admin = new Admin({ clientId: 'suite', bootstrapBrokers: [proxy.address] });
    await admin.deleteTopics({ topics: ['anew.telemetry.v1'] });
    await admin.close();
    const other = await emptyLog({ topicPrefix: 'anew' });
    expect(await other.logId()).not.toBe(logId);
    await expect(log.logId()).rejects.toMatchObject({ code: 'LOG_CHANGED' });
    await expect(readFrom(log, P0, 2)).rejects.toMatchObject({ code: 'LOG_CHANGED' });
  });

  it('reads nothing that others wrote between, and says so', async () => {
    const log = await emptyLog({ topicPrefix: 'foreign' });
    await log.append([frame(1, P0)]);
    const producer = new Producer({ clientId: 'suite', bootstrapBrokers: [proxy.address] });
    const value = Buffer.from('two\nlines');
    await producer.send({ acks: -1, messages: [{ topic: 'foreign.telemetry.v1', partition: 0, value }] });
    await producer.close();
    expect((await readFrom(log, P0, 0)).map(({ firstOffset }) => firstOffset)).toEqual([0]);
    await expect(readFrom(log, P0, 2)).rejects.toMatchObject({ code: 'LOG_BATCH_UNREADABLE' });
  });

  it('refuses topics that would break a promise', async () => {
    const connection = { brokers: [proxy.address], clientId: 'suite' };
    const plan = kafka.plan();
    expect(await createTopics(connection, plan)).toHaveLength(3);
    expect(await createTopics(connection, plan)).toEqual([]);
    const refused = async (change: object, message: RegExp): Promise<void> => {
      const error: unknown = await checkTopics(connection, { ...plan, ...change }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'TOPIC_MISMATCH', message: expect.stringMatching(message) });
    };
    await refused({ partitionCount: 3 }, /has 2 partitions, and the installation 3/);
    await refused({ minInsyncReplicas: 2 }, /min\.insync\.replicas=1, and needs 2/);
    await refused({ frameBytesMax: 1024 * 1024 }, /max\.message\.bytes/);
    await refused({ prefix: 'nobody' }, /there is no topic nobody\.control\.v1/);
    await checkTopics(connection, { ...plan, frameBytesMax: 1 });
  });
});

function frame(seq: number, partition: Partition): AppendRequest {
  const body = `${seq}-a\n${seq}-b`;
  return { lane: 'telemetry', partition, producerId: 'producer', seq, body, recordCount: 2 };
}

/** As a producer does: the same frames under the same numbers until their outcome is known. */
async function repeatedAll(log: KafkaEventLog, requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
  for (let tries = 1; ; tries += 1) {
    try {
      const results = await log.append(requests);
      const open = results.find((result) => result.kind === 'unknown');
      if (open === undefined) return results;
      throw open.error;
    } catch (error) {
      if (tries === REPEATS_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function readFrom(log: KafkaEventLog, partition: Partition, from: number): Promise<readonly LogFrame[]> {
  const request = { lane: 'telemetry', partition, from: from as Offset } as const;
  const [batch] = await log.read([request], { framesMaxPerPartition: 10_000, waitMs: 0 });
  return batch?.frames ?? [];
}

async function readAll(log: KafkaEventLog, partition: Partition): Promise<readonly LogFrame[]> {
  const frames: LogFrame[] = [];
  for (;;) {
    const more = await readFrom(log, partition, (frames.at(-1)?.lastOffset ?? -1) + 1);
    if (more.length === 0) return frames;
    frames.push(...more);
  }
}
