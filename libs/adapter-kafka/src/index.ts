export { kafkaClientOptions } from './kafka-connection.ts';
export type { KafkaClientOptions, KafkaConnectionOptions, KafkaCredentials } from './kafka-connection.ts';
export { TOPIC_ROLES, topicName } from './topic-names.ts';
export type { TopicRole } from './topic-names.ts';
export { brokerCommand, formatCommand } from './broker/broker-command.ts';
export type { BrokerCommandOptions, Command, KafkaProgram } from './broker/broker-command.ts';
export { brokerProperties } from './broker/broker-properties.ts';
export type { BrokerNode, BrokerPropertiesOptions } from './broker/broker-properties.ts';
