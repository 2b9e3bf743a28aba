export { CuttingProxy } from './cutting-proxy.ts';
export { redisServerAvailable, startRedisServer } from './redis-server.ts';
export type { RedisServerForTest } from './redis-server.ts';
