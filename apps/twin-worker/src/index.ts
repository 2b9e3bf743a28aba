export { EventLogStrategy } from './event-log-strategy.ts';
export type { EventLogStrategyOptions } from './event-log-strategy.ts';
export { ShardEvent } from './shard-events.ts';
export { WorkerModule } from './worker.module.ts';
