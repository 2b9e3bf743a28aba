export { kafkaClientOptions } from './kafka-connection.ts';
export type { KafkaClientOptions, KafkaConnectionOptions, KafkaCredentials } from './kafka-connection.ts';
export { TOPIC_ROLES, topicName } from './topic-names.ts';
export type { TopicRole } from './topic-names.ts';
