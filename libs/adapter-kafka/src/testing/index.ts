export { CuttingProxy } from './cutting-proxy.ts';
export { addScramUser, allow } from './kafka-access.ts';
export type { Grant, ScramUser } from './kafka-access.ts';
export { KafkaBroker } from './kafka-broker.ts';
export { KafkaCluster } from './kafka-cluster.ts';
export type { BrokerSettings, KafkaClusterOptions } from './kafka-cluster.ts';
export { findKafkaProgram, kafkaAvailable } from './kafka-program.ts';
export { readTopic } from './read-topic.ts';
export type { TopicRecord } from './read-topic.ts';
