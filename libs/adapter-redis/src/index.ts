export { blockingConnection, connectRedis } from './connect-redis.ts';
export type { ConnectOptions } from './connect-redis.ts';
export { RedisEventLog, REMEMBERED_SEQS } from './log/redis-event-log.ts';
export type { RedisEventLogOptions } from './log/redis-event-log.ts';
export { redisServerArguments } from './redis-server-arguments.ts';
export type { RedisServerOptions } from './redis-server-arguments.ts';
export { RedisTwinStore } from './twins/redis-twin-store.ts';
export type { RedisTwinStoreOptions } from './twins/redis-twin-store.ts';
