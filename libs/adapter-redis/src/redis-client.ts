import { Cluster, type Redis } from 'ioredis';

/** What the adapters use of a connection, be it to one server or to the nodes of a cluster. */
export type RedisClient = Pick<
  Redis,
  | 'call'
  | 'callBuffer'
  | 'defineCommand'
  | 'del'
  | 'disconnect'
  | 'flushall'
  | 'get'
  | 'hdel'
  | 'hexists'
  | 'hget'
  | 'hgetall'
  | 'hkeys'
  | 'hmget'
  | 'hscan'
  | 'hset'
  | 'multi'
  | 'pipeline'
  | 'publish'
  | 'script'
  | 'set'
  | 'sscan'
  | 'subscribe'
  | 'xrange'
> &
  RedisEvents;

interface RedisEvents {
  on(event: 'message', listener: (channel: string, text: string) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** `ready`; and of a cluster `+node` for a new connection, `refresh` for a new look at who has which slots. */
  on(event: 'ready' | '+node' | 'refresh', listener: () => void): unknown;
}

export function isCluster(redis: RedisClient): redis is RedisClient & Cluster {
  return redis instanceof Cluster;
}

/** Lets commands that are sent one by one leave in one write per node: each write alone is a call of the system. */
export function inOneWrite<Sent>(cluster: Cluster, send: () => Sent): Sent {
  const streams = cluster.nodes('master').flatMap(({ stream }) => (stream === undefined ? [] : [stream]));
  for (const stream of streams) stream.cork();
  try {
    return send();
  } finally {
    for (const stream of streams) stream.uncork();
  }
}
