import { choice, integer, text } from '../define-settings.ts';

const HOUR_MS = 3_600_000;

/** The event log on Kafka. Read where `EVENT_LOG=kafka`; every part must agree on them. */
export const kafkaSettings = {
  kafkaBrokers: text('KAFKA_BROKERS', {
    reason:
      'Some of the brokers as `host:port`, with commas between them; the others are learned from these. Empty, `npm start` runs a broker of its own.',
  }),
  kafkaTopicPrefix: text('KAFKA_TOPIC_PREFIX', {
    default: 'breakwater',
    reason:
      'First word of the names of topics and groups, as in `breakwater.telemetry.v1`: two installations on one Kafka differ in it.',
  }),
  kafkaReplicationFactor: integer('KAFKA_REPLICATION_FACTOR', {
    default: 3,
    min: 1,
    max: 32,
    unit: 'copies',
    reason: 'Brokers that keep each record, for topics that are made. `npm start` sets 1 for its own broker.',
  }),
  kafkaMinInsyncReplicas: integer('KAFKA_MIN_INSYNC_REPLICAS', {
    default: 2,
    min: 1,
    max: 32,
    unit: 'copies',
    reason:
      'Brokers that must have a record before a device is told that it is durable. Topics with fewer refuse the start. With 2 of 3, the loss of one broker loses nothing and stops nothing. `npm start` sets 1 for its own broker.',
  }),
  kafkaRetentionMs: integer('KAFKA_RETENTION_MS', {
    default: 168 * HOUR_MS,
    min: HOUR_MS,
    max: 8_760 * HOUR_MS,
    unit: 'ms',
    reason:
      'How long Kafka keeps records of topics that are made, a week by default. An outage of a consumer that lasts longer loses what it has not read, so this is far more than any should last.',
  }),
  kafkaCompression: choice('KAFKA_COMPRESSION', {
    values: ['none', 'lz4', 'zstd', 'gzip'],
    default: 'lz4',
    reason: 'How batches are compressed on their way to the brokers and on their disks.',
  }),
  kafkaTls: choice('KAFKA_TLS', {
    values: ['off', 'on'],
    default: 'off',
    reason: 'Whether brokers are spoken to with TLS.',
  }),
  kafkaCaFile: text('KAFKA_TLS_CA_FILE', {
    reason: "PEM file with the authorities that sign the brokers' certificates. Empty: those that Node.js comes with.",
  }),
  kafkaCertFile: text('KAFKA_TLS_CERT_FILE', {
    reason: 'PEM file with the certificate that the platform shows, where brokers ask for one.',
  }),
  kafkaKeyFile: text('KAFKA_TLS_KEY_FILE', { reason: 'PEM file with the private key of that certificate.' }),
  kafkaSaslMechanism: choice('KAFKA_SASL_MECHANISM', {
    values: ['none', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    default: 'none',
    reason:
      'How the platform proves itself to the brokers. PLAIN sends the password as it is, so only with TLS. With a client certificate (mTLS) none is needed.',
  }),
  kafkaSaslUsername: text('KAFKA_SASL_USERNAME', { reason: 'User at Kafka.' }),
  kafkaSaslPassword: text('KAFKA_SASL_PASSWORD', { secret: true, reason: 'Password at Kafka.' }),
  kafkaWorkerGroup: text('KAFKA_WORKER_GROUP', {
    reason:
      'Consumer group of the twin workers, which shares the shards out between them. Empty: the topic prefix and `.twins`.',
  }),
  kafkaGroupProtocol: choice('KAFKA_GROUP_PROTOCOL', {
    values: ['classic', 'consumer'],
    default: 'classic',
    reason:
      'How that group comes to an assignment. `classic`: a worker computes it, and the session time-out is ours. `consumer` (KIP-848, Kafka 4): the broker does, and its time-out holds (`group.consumer.session.timeout.ms`, 45 s by default), so shards of a killed worker wait for so long.',
  }),
  kafkaSessionTimeoutMs: integer('KAFKA_SESSION_TIMEOUT_MS', {
    default: 6_000,
    min: 1_000,
    max: 300_000,
    unit: 'ms',
    reason:
      'How long a silent worker keeps its shards, with the classic protocol. Brokers take nothing below `group.min.session.timeout.ms`, 6 s by default.',
  }),
  kafkaOffsetsIntervalMs: integer('KAFKA_OFFSETS_INTERVAL_MS', {
    default: 5_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    reason:
      "How often the group's committed offsets follow the positions. For tools that watch lag, and autoscalers; nothing is read from there.",
  }),
} as const;
