import { inOneWrite, isCluster, type RedisClient } from './redis-client.ts';
import { pipelined } from './redis-script.ts';

export type Command = readonly [name: string, ...args: (string | number)[]];

/**
 * Plain commands that may concern several slots, in one round trip; rejects with the first error. On one server they
 * are a pipeline. A pipeline of a cluster has to lie on one node, and is not redirected when a part of it has moved; so
 * there each goes its own way.
 */
export async function sendTogether(redis: RedisClient, commands: readonly Command[]): Promise<readonly unknown[]> {
  if (commands.length === 0) return [];
  if (isCluster(redis))
    return Promise.all(inOneWrite(redis, () => commands.map(([name, ...args]) => redis.call(name, args))));
  const pipeline = redis.pipeline();
  for (const [name, ...args] of commands) pipeline.call(name, ...args);
  return pipelined(pipeline);
}
