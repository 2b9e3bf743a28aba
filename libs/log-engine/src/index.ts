export { kafkaConnectionOf } from './kafka-connection-of.ts';
export { createKafkaTopics } from './kafka-topics.ts';
export { laneBudgetsOf } from './lane-budgets.ts';
export type {
  ChangeFeedSettings,
  LagMarks,
  LaneBudgets,
  LogEngine,
  LogEngineSettings,
  OpenChangeFeed,
  OpenLog,
  RedisConnection,
} from './log-engine.ts';
export { openLogEngine } from './open-log-engine.ts';
