import { kafkaAvailable } from '@breakwater/adapter-kafka/testing';

/** The engines that the log of a platform under faults may have: the embedded one, the broker of `npm start`, three. */
const FAULT_LOGS = ['redis', 'kafka', 'kafka-3'] as const;
export type FaultLog = (typeof FAULT_LOGS)[number];

const HOW: Readonly<Record<FaultLog, string>> = {
  redis: 'EVENT_LOG=redis',
  kafka: 'EVENT_LOG=kafka',
  'kafka-3': 'EVENT_LOG=kafka FAULT_KAFKA_BROKERS=3',
};

/** What `EVENT_LOG` and `FAULT_KAFKA_BROKERS` say; a whole run is on one engine. */
export function faultLog(env: NodeJS.ProcessEnv = process.env): FaultLog {
  const { EVENT_LOG: engine = 'redis', FAULT_KAFKA_BROKERS: brokers = '1' } = env;
  const log = FAULT_LOGS.find((name) => name === (brokers === '1' ? engine : `${engine}-${brokers}`));
  if (log !== undefined) return log;
  throw new Error(
    `there is no log EVENT_LOG=${engine} FAULT_KAFKA_BROKERS=${brokers}: ${Object.values(HOW).join(', ')}`,
  );
}

/** Why a fault is none of this run's, or null. */
export function isForOtherLogs({ logs }: { readonly logs?: readonly FaultLog[] }): string | null {
  const present = faultLog();
  if (logs === undefined || logs.includes(present)) return null;
  return `it is a fault of ${logs.map((name) => HOW[name]).join(' or ')}`;
}

export function lacksKafka(): string | null {
  return kafkaAvailable() ? null : 'needs Java and the jars of Kafka (node tools/provide-kafka.mjs)';
}
