import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { KafkaEventLog } from '../src/index.ts';
import { type KafkaBroker, type KafkaCluster, kafkaAvailable } from '../src/testing/index.ts';
import { AppendingLoad } from './appending-load.ts';
import { KafkaUnderTest } from './kafka-under-test.ts';

const TIMEOUT_MS = 300_000;
const PARTITIONS = 8;
const RECORDS_PER_SECOND = 5_000;
const DEVICES = 2_000;
const FRAME_BYTES_MAX = 512 * 1024;
const TOPIC_PREFIX = 'faults';
const TELEMETRY = `${TOPIC_PREFIX}.telemetry.v1`;
/** A third of Kafka's own, and of the time that each fault takes. */
const SESSION_TIMEOUT_MS = 3_000;
/** What was on its way when the fault came may still be answered. */
const UNDER_WAY_MS = 2_000;
const STEP_MS = 2_000;

interface Scene {
  readonly cluster: KafkaCluster;
  readonly load: AppendingLoad;
  readonly leader: KafkaBroker;
}

interface BrokerFault {
  readonly title: string;
  readonly short?: boolean;
  run(scene: Scene): Promise<void>;
}

const FAULTS: readonly BrokerFault[] = [
  {
    title: 'the leader of a partition is killed',
    short: true,
    run: async ({ cluster, load, leader }) => {
      await leader.kill();
      await goesOnWithout(leader, { cluster, load });
      leader.start();
      await cluster.ready();
    },
  },
  {
    title: 'the leader of a partition is stopped, and goes on as a follower',
    run: async ({ cluster, load, leader }) => {
      leader.signal('SIGSTOP');
      await goesOnWithout(leader, { cluster, load });
      leader.signal('SIGCONT');
      await pause(STEP_MS);
    },
  },
  {
    title: 'two of three brokers are killed: nothing is acknowledged until one of them is back',
    run: async ({ cluster, load, leader }) => {
      const other = cluster.brokers.find((broker) => broker !== leader)!;
      await Promise.all([leader.kill(), other.kill()]);
      const deadAtMs = performance.now();
      await pause(3 * STEP_MS);
      expect(load.acknowledgedBetween(deadAtMs + UNDER_WAY_MS, performance.now())).toBe(0);
      leader.start();
      await acknowledgesAgain(load);
      other.start();
      await cluster.ready();
    },
  },
  {
    title: 'two of three brokers are stopped: nothing is acknowledged until one of them goes on',
    run: async ({ cluster, load, leader }) => {
      const other = cluster.brokers.find((broker) => broker !== leader)!;
      for (const broker of [leader, other]) broker.signal('SIGSTOP');
      const stoppedAtMs = performance.now();
      await pause(3 * STEP_MS);
      expect(load.acknowledgedBetween(stoppedAtMs + UNDER_WAY_MS, performance.now())).toBe(0);
      leader.signal('SIGCONT');
      await acknowledgesAgain(load);
      other.signal('SIGCONT');
      await cluster.ready();
    },
  },
  {
    // Acknowledged by the leader alone it would be lost: the others lead without it, and a clean election lets them.
    title: 'a leader is killed that had records alone, because both followers were stopped',
    run: async ({ cluster, load, leader }) => {
      const followers = cluster.brokers.filter((broker) => broker !== leader);
      for (const follower of followers) follower.signal('SIGSTOP');
      await pause(STEP_MS);
      await leader.kill();
      for (const follower of followers) follower.signal('SIGCONT');
      await goesOnWithout(leader, { cluster, load });
      leader.start();
      await cluster.ready();
    },
  },
  {
    title: 'all brokers are restarted in order, one after the other',
    run: async ({ cluster, load }) => {
      for (const broker of cluster.brokers) {
        await broker.terminate();
        broker.start();
        await cluster.ready();
        await cluster.inSync(TELEMETRY);
        await acknowledgesAgain(load);
      }
    },
  },
];

/** Each takes half a minute: `npm test` runs the short one, `npm run test:kafka` all of them. */
const isComplete = process.env['KAFKA_FAULTS'] === 'all';

(kafkaAvailable() ? describe : describe.skip)('three Kafka brokers, two of which must have a record', () => {
  let kafka: KafkaUnderTest;
  let log: KafkaEventLog;
  beforeEach(async () => {
    kafka = new KafkaUnderTest({
      brokers: 3,
      properties: { 'broker.session.timeout.ms': SESSION_TIMEOUT_MS, 'broker.heartbeat.interval.ms': 500 },
    });
    await kafka.start();
    log = await kafka.emptyLog({
      topicPrefix: TOPIC_PREFIX,
      partitionCount: PARTITIONS,
      answerWithinMs: 1_000,
      frameBytesMax: FRAME_BYTES_MAX,
    });
  }, TIMEOUT_MS);
  afterEach(async () => {
    await log.close();
    await kafka.stop();
  }, TIMEOUT_MS);

  for (const fault of FAULTS.filter(({ short }) => isComplete || short === true)) {
    it(
      `lose nothing, and append nothing twice: ${fault.title}`,
      async () => {
        const { cluster } = kafka;
        const options = { partitionCount: PARTITIONS, recordsPerSecond: RECORDS_PER_SECOND, devices: DEVICES };
        const load = new AppendingLoad({ log, ...options });
        load.start();
        await acknowledgesAgain(load);
        await pause(STEP_MS);
        await fault.run({ cluster, load, leader: await cluster.leaderOf(TELEMETRY, 0) });
        await acknowledgesAgain(load);
        await load.finish();
        const problems = await load.problems();
        expect(problems.slice(0, 10)).toEqual([]);
        expect(load.acknowledged).toHaveLength(load.made);
        process.stdout.write(
          `${fault.title}: ${load.made} records, longest silence ${Math.round(load.longestSilenceMs())} ms\n`,
        );
      },
      TIMEOUT_MS,
    );
  }
});

/** Somebody else leads the partition, and what waited is acknowledged. */
async function goesOnWithout(gone: KafkaBroker, { cluster, load }: Pick<Scene, 'cluster' | 'load'>): Promise<void> {
  await eventually('another leader', async () => {
    const leader = await cluster.leaderOf(TELEMETRY, 0).catch(() => gone);
    return leader !== gone;
  });
  await acknowledgesAgain(load);
  await pause(STEP_MS);
}

/** Everything that is made now is acknowledged soon. */
async function acknowledgesAgain(load: AppendingLoad): Promise<void> {
  const { made } = load;
  await eventually('acknowledgements', () => Promise.resolve(load.acknowledged.length > made));
}

async function eventually(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS / 2;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await pause(100);
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
