export { CuttingProxy } from './cutting-proxy.ts';
export { startRedisCluster } from './redis-cluster.ts';
export type { ClusterNodeForTest, RedisClusterForTest } from './redis-cluster.ts';
export { startRedisWithSentinel } from './redis-sentinel.ts';
export type { PrimaryForTest } from './redis-sentinel.ts';
export { connectServer, redisServerAvailable, startRedisServer } from './redis-server.ts';
export type { RedisServerForTest } from './redis-server.ts';
export { appendLines, recordLine, RedisWorker } from './redis-worker.ts';
export type { PartitionContent, RedisWorkerOptions } from './redis-worker.ts';
