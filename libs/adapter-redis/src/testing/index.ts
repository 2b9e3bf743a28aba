export { CuttingProxy } from './cutting-proxy.ts';
export { redisServerAvailable, startRedisServer } from './redis-server.ts';
export type { RedisServerForTest } from './redis-server.ts';
export { contentOf, recordAppender, recordLine, RedisWorker } from './redis-worker.ts';
export type { PartitionContent, RedisWorkerOptions } from './redis-worker.ts';
