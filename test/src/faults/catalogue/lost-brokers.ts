import type { KafkaBroker, KafkaCluster } from '@breakwater/adapter-kafka/testing';

import { CONDITION_TIMEOUT_MS, pause, until } from '../../platform-steps.ts';
import type { FaultCase, LoadUnderFault } from '../fault-case.ts';
import { lacksKafka } from '../fault-log.ts';
import type { PlatformUnderFault } from '../platform-under-fault.ts';

const TELEMETRY = 'breakwater.telemetry.v1';
const CONTROL = 'breakwater.control.v1';
/** Three times as long as brokers wait for a silent one, by Kafka's defaults. */
const STOPPED_MS = 30_000;
const TWO_AWAY_MS = 12_000;
/** What was on its way when the fault came may still be answered, and what was answered be told of. */
const UNDER_WAY_MS = 2_000;
/** Load flows so long between two steps of one fault. */
const BETWEEN_MS = 3_000;
const ONE_AWAY_LOAD_SECONDS = 40;
const TWO_AWAY_LOAD_SECONDS = 50;
const ROLLING_LOAD_SECONDS = 80;
const THREE_BROKERS = { logs: ['kafka-3'], lacks: lacksKafka } as const;

interface Scene {
  readonly cluster: KafkaCluster;
  /** Leads a partition of telemetry, and is a controller like all of them. */
  readonly leader: KafkaBroker;
  readonly other: KafkaBroker;
  readonly load: LoadUnderFault;
}

/**
 * Brokers of three that are lost, with `min.insync.replicas=2`: without one the platform goes on, without two nothing
 * may be acknowledged, and as soon as one of the two is back it goes on again.
 */
export const LOST_BROKERS: readonly FaultCase[] = [
  {
    ...{ name: 'kill-leader', title: 'SIGKILL of the broker that leads a partition', lines: ['F16'] },
    ...THREE_BROKERS,
    loadSeconds: ONE_AWAY_LOAD_SECONDS,
    strike: onBrokers(async ({ cluster, leader, load }) => {
      const startedAtMs = Date.now();
      await leader.kill();
      await goesOnWithout(leader, cluster, load);
      const note = `went on without it after ${secondsSince(startedAtMs)} s`;
      await pause(BETWEEN_MS);
      leader.start();
      return note;
    }),
  },
  {
    ...{ name: 'stop-leader', title: 'SIGSTOP of the broker that leads a partition for 30 s', lines: ['F17'] },
    ...THREE_BROKERS,
    loadSeconds: ONE_AWAY_LOAD_SECONDS,
    strike: onBrokers(async ({ cluster, leader, load }) => {
      const startedAtMs = Date.now();
      leader.signal('SIGSTOP');
      await goesOnWithout(leader, cluster, load);
      const note = `went on without it after ${secondsSince(startedAtMs)} s`;
      await pause(STOPPED_MS - (Date.now() - startedAtMs));
      leader.signal('SIGCONT');
      return note;
    }),
  },
  {
    ...{ name: 'kill-two-brokers', title: 'SIGKILL of two of three brokers, one after the other back', lines: ['F16'] },
    ...THREE_BROKERS,
    loadSeconds: TWO_AWAY_LOAD_SECONDS,
    strike: onBrokers(async ({ leader, other, load }) => {
      await Promise.all([leader.kill(), other.kill()]);
      await nothingIsAcknowledged(load);
      leader.start();
      const note = await acknowledgesAgain(load);
      await pause(BETWEEN_MS);
      other.start();
      return note;
    }),
  },
  {
    ...{
      name: 'stop-two-brokers',
      title: 'SIGSTOP of two of three brokers, one after the other goes on',
      lines: ['F17'],
    },
    ...THREE_BROKERS,
    loadSeconds: TWO_AWAY_LOAD_SECONDS,
    strike: onBrokers(async ({ leader, other, load }) => {
      for (const broker of [leader, other]) broker.signal('SIGSTOP');
      await nothingIsAcknowledged(load);
      leader.signal('SIGCONT');
      const note = await acknowledgesAgain(load);
      await pause(BETWEEN_MS);
      other.signal('SIGCONT');
      return note;
    }),
  },
  {
    ...{
      name: 'roll-brokers',
      title: 'SIGTERM and start of each broker in turn, as an upgrade does it',
      lines: ['F6'],
    },
    ...THREE_BROKERS,
    loadSeconds: ROLLING_LOAD_SECONDS,
    strike: onBrokers(async ({ cluster, load }) => {
      const silences: string[] = [];
      for (const broker of cluster.brokers) {
        const startedAtMs = Date.now();
        await broker.terminate();
        await goesOnWithout(broker, cluster, load);
        silences.push(`${broker.nodeId} ${secondsSince(startedAtMs)} s`);
        broker.start();
        await inStep(cluster);
      }
      return `ended, and went on without it: ${silences.join(', ')}`;
    }),
  },
];

/** Whatever becomes of it, all brokers run and are in step in the end. */
function onBrokers(strike: (scene: Scene) => Promise<string>): FaultCase['strike'] {
  return async (platform: PlatformUnderFault, load: LoadUnderFault) => {
    const cluster = platform.brokers;
    if (cluster === null) throw new Error('the log is not on three brokers');
    const leader = await cluster.leaderOf(TELEMETRY, 0);
    const other = cluster.brokers.find((broker) => broker !== leader) as KafkaBroker;
    try {
      const note = await strike({ cluster, leader, other, load });
      await inStep(cluster);
      return note;
    } finally {
      for (const broker of cluster.brokers) broker.signal('SIGCONT');
    }
  };
}

async function inStep(cluster: KafkaCluster): Promise<void> {
  await cluster.ready();
  for (const topic of [TELEMETRY, CONTROL]) await cluster.inSync(topic);
}

/** Others lead all that it led, and what is sent is acknowledged. */
async function goesOnWithout(gone: KafkaBroker, cluster: KafkaCluster, load: LoadUnderFault): Promise<void> {
  await until('other leaders', async () => {
    for (const topic of [TELEMETRY, CONTROL]) if (await cluster.leads(gone, topic)) return false;
    return true;
  });
  await acknowledgesAgain(load);
}

/** Two of three are away: an acknowledgement now would be a false one. */
async function nothingIsAcknowledged(load: LoadUnderFault): Promise<void> {
  await pause(UNDER_WAY_MS);
  const before = load.acknowledged();
  await pause(TWO_AWAY_MS - UNDER_WAY_MS);
  const falsely = load.acknowledged() - before;
  if (falsely > 0) throw new Error(`${falsely} events were acknowledged while one broker of three had them`);
}

async function acknowledgesAgain(load: LoadUnderFault): Promise<string> {
  const startedAtMs = Date.now();
  const before = load.acknowledged();
  await until(`acknowledgements within ${CONDITION_TIMEOUT_MS} ms`, () => load.acknowledged() > before);
  return `acknowledged again ${secondsSince(startedAtMs)} s after one was back`;
}

function secondsSince(startedAtMs: number): string {
  return ((Date.now() - startedAtMs) / 1_000).toFixed(1);
}
