export { kafkaConnectionOf } from './kafka-connection-of.ts';
export { createKafkaTopics } from './kafka-topics.ts';
export { laneBudgetsOf } from './lane-budgets.ts';
export type { LagMarks, LaneBudgets, LogEngine, LogEngineSettings, OpenLog, RedisConnection } from './log-engine.ts';
export { openLogEngine } from './open-log-engine.ts';
