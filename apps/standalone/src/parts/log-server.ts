import { join } from 'node:path';

import type { KafkaProgram } from '@breakwater/adapter-kafka';
import type {
  eventLogSettings,
  kafkaSettings,
  platformSettings,
  SettingsOf,
  standaloneSettings,
} from '@breakwater/config';
import { freePort } from '@breakwater/free-port';
import { createKafkaTopics } from '@breakwater/log-engine';
import { isErrorCode } from '@breakwater/wire';

import type { ConsoleReport } from '../supervise/console-report.ts';
import { type KafkaServerOptions, kafkaPart, prepareKafka } from './kafka-server.ts';
import type { Part } from '../supervise/part.ts';
import { ProvidedProgram } from './provided-program.ts';
import { StartRefused } from '../start-refused.ts';

export type LogServerSettings = SettingsOf<typeof eventLogSettings> &
  SettingsOf<typeof kafkaSettings> &
  Pick<SettingsOf<typeof platformSettings>, 'eventLog' | 'partitionCount'> &
  Pick<SettingsOf<typeof standaloneSettings>, 'kafkaHeapMegabytes'>;

export interface LogServerOptions {
  readonly settings: LogServerSettings;
  readonly dataFolder: string;
  readonly report: ConsoleReport;
  readonly startLevel: number;
  readonly stopLevel: number;
  /** Told of what can be ended while it is under way. */
  readonly onWork: (work: { stop(): void }) => void;
}

/** What the log of the settings needs beside Redis. */
export interface LogServer {
  readonly parts: readonly Part[];
  /** For every part of the platform. */
  readonly env: Readonly<Record<string, string>>;
  readonly bannerLine: string;
}

const CLIENT_NAME = 'breakwater-start';
/** One broker keeps one copy. */
const ONE_BROKER = { kafkaReplicationFactor: 1, kafkaMinInsyncReplicas: 1 } as const;
/** It listens on loopback, to this installation alone. */
const OPEN_BROKER = {
  kafkaTls: 'off',
  kafkaCaFile: '',
  kafkaCertFile: '',
  kafkaKeyFile: '',
  kafkaSaslMechanism: 'none',
} as const;

/**
 * The log in Redis needs nothing more, Kafka elsewhere its topics, and Kafka without an address a broker of our own.
 * @throws StartRefused when there is no Kafka here and none can be obtained
 */
export async function logServer(options: LogServerOptions): Promise<LogServer> {
  const { settings } = options;
  if (settings.eventLog === 'redis') return { parts: [], env: { EVENT_LOG: 'redis' }, bannerLine: 'in Redis' };
  if (settings.kafkaBrokers !== '') {
    await createTopicsElsewhere(settings);
    return { parts: [], env: { EVENT_LOG: 'kafka' }, bannerLine: `Kafka at ${settings.kafkaBrokers}` };
  }
  return ownBroker(options);
}

async function createTopicsElsewhere(settings: LogServerSettings): Promise<void> {
  try {
    await createKafkaTopics(settings, CLIENT_NAME);
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message: string };
    if (typeof code !== 'string' || !isErrorCode(code)) throw error;
    throw new StartRefused(code === 'BACKEND_UNAVAILABLE' ? 'KAFKA_MISSING' : code, message);
  }
}

async function ownBroker(options: LogServerOptions): Promise<LogServer> {
  const { settings, dataFolder, startLevel, stopLevel } = options;
  const program = await providedKafka(options);
  const brokerPort = await freePort();
  const kafkaBrokers = `127.0.0.1:${brokerPort}`;
  const topics = { ...settings, ...ONE_BROKER, ...OPEN_BROKER, kafkaBrokers };
  const server: KafkaServerOptions = {
    ...{ program, dataFolder, startLevel, stopLevel, brokerPort },
    heapMegabytes: settings.kafkaHeapMegabytes,
    controllerPort: await freePort(),
    probe: () => hasTopics(topics),
  };
  await prepareKafka(server);
  const env = {
    EVENT_LOG: 'kafka',
    KAFKA_BROKERS: kafkaBrokers,
    KAFKA_REPLICATION_FACTOR: String(ONE_BROKER.kafkaReplicationFactor),
    KAFKA_MIN_INSYNC_REPLICAS: String(ONE_BROKER.kafkaMinInsyncReplicas),
    KAFKA_TLS: OPEN_BROKER.kafkaTls,
    KAFKA_TLS_CA_FILE: OPEN_BROKER.kafkaCaFile,
    KAFKA_TLS_CERT_FILE: OPEN_BROKER.kafkaCertFile,
    KAFKA_TLS_KEY_FILE: OPEN_BROKER.kafkaKeyFile,
    KAFKA_SASL_MECHANISM: OPEN_BROKER.kafkaSaslMechanism,
  };
  return { parts: [kafkaPart(server)], env, bannerLine: `Kafka of its own at ${kafkaBrokers}` };
}

/** A mismatch is not healed by waiting: each part refuses to start on it and says so. */
async function hasTopics(settings: LogServerSettings): Promise<boolean> {
  try {
    await createKafkaTopics(settings, CLIENT_NAME);
    return true;
  } catch (error) {
    return (error as { readonly code?: unknown }).code === 'TOPIC_MISMATCH';
  }
}

async function providedKafka({ dataFolder, report, onWork }: LogServerOptions): Promise<KafkaProgram> {
  const program = new ProvidedProgram({
    script: 'provide-kafka.mjs',
    fields: ['java', 'jarsFolder'],
    logFile: join(dataFolder, 'logs', 'kafka-setup.log'),
    env: process.env,
  });
  onWork(program);
  let search = await program.find();
  if (search.event === 'missing') {
    report.line('Kafka is not on this machine and is obtained first; that can take a few minutes, once.');
    search = await program.obtain();
  }
  if (search.event === 'found') return search;
  throw new StartRefused(
    'KAFKA_MISSING',
    `EVENT_LOG=kafka needs a broker: ${search.reason}\nOr name the brokers of a Kafka elsewhere with KAFKA_BROKERS.`,
  );
}
