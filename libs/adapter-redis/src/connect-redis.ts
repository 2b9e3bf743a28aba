import { PlatformError } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';
import { type Cluster, Redis, type RedisOptions as AnyRedisOptions } from 'ioredis';

import { OutageFirstCluster } from './outage-first-cluster.ts';
import { redisAddressOf, shownAddress, type RedisAddress, type RedisCredentials } from './redis-address.ts';
import { isCluster, type RedisClient } from './redis-client.ts';

export interface ConnectOptions {
  readonly logger?: Logger;
  /** Shown by `CLIENT LIST`. */
  readonly name?: string;
  /** How long to wait for a Redis that is starting or loading its data. */
  readonly readyTimeoutMs?: number;
  /** A connection with commands under way that hears nothing for so long is given up. */
  readonly silenceMsMax?: number;
}

/** What this file sets of ioredis' options. */
type RedisOptions = Omit<AnyRedisOptions, 'replyMapping'>;
type ClusterAddress = Extract<RedisAddress, { kind: 'cluster' }>;
type ServerAddress = Exclude<RedisAddress, { kind: 'cluster' }>;

const READY_TIMEOUT_MS = 15_000;
const SILENCE_MS_MAX = 15_000;
/** A machine that is gone does not refuse a connection: it says nothing. */
const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 1_000;
const DISCONNECT_MS_MAX = 200;

/**
 * A connection on which an outage is an answer: every command that was under way when the connection broke has its
 * promise rejected at once, and its outcome is unknown. So it is with one server, with a primary that sentinels name,
 * and with each node of a cluster (see `OutageFirstCluster`).
 *
 * Two options of ioredis together make that so. `autoResendUnfulfilledCommands: false`, because a script that is sent
 * again after its reply was lost runs twice. `maxRetriesPerRequest: 0`, because with any higher number ioredis forgets
 * the commands under way when the next connection comes up first, and their promises would never settle.
 */
export async function connectRedis(url: string, options: ConnectOptions = {}): Promise<RedisClient> {
  const address = redisAddressOf(url);
  const redis = address.kind === 'cluster' ? clusterAt(address, options) : serverAt(address, options);
  const readyTimeoutMs = options.readyTimeoutMs ?? READY_TIMEOUT_MS;
  try {
    await becomesReady(redis, readyTimeoutMs);
  } catch (cause) {
    redis.disconnect();
    const message = `Redis at ${shownAddress(url)} did not answer within ${readyTimeoutMs} ms`;
    throw new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true, cause });
  }
  return redis;
}

/** A second connection to the same place, for commands that block: they would hold up everything behind them. */
export function blockingConnection(redis: RedisClient, waitMsMax: number): RedisClient {
  const socketTimeout = waitMsMax + SILENCE_MS_MAX;
  const connection = isCluster(redis)
    ? redis.duplicate([], { redisOptions: { socketTimeout } })
    : (redis as Redis).duplicate({ socketTimeout });
  // The connection it was made from logs the outage; without a listener ioredis would print it once more.
  connection.on('error', () => undefined);
  return connection;
}

function clusterAt(address: ClusterAddress, options: ConnectOptions): Cluster {
  const cluster = new OutageFirstCluster(address.hosts, {
    clusterRetryStrategy: reconnectDelayMs,
    redisOptions: { ...connectionOptions(options), ...securityOf(address) },
  });
  logNodeOutages(cluster, options.logger);
  return cluster;
}

function serverAt(address: ServerAddress, options: ConnectOptions): Redis {
  const redis = new Redis({ ...placeOf(address), ...connectionOptions(options), retryStrategy: reconnectDelayMs });
  logOutages(redis, options.logger);
  return redis;
}

function placeOf(address: ServerAddress): RedisOptions {
  switch (address.kind) {
    case 'socket':
      return { path: address.path };
    case 'single': {
      const { host, port, db } = address;
      return { host, port, db, ...securityOf(address) };
    }
    case 'sentinel': {
      const { hosts, primaryName, sentinel, tls } = address;
      return {
        sentinels: [...hosts],
        name: primaryName,
        ...(sentinel.username === undefined ? {} : { sentinelUsername: sentinel.username }),
        ...(sentinel.password === undefined ? {} : { sentinelPassword: sentinel.password }),
        ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
        sentinelRetryStrategy: reconnectDelayMs,
        // A primary that became a replica while we are connected: there is another one, and the sentinels know it. The
        // command was refused; it is not sent again.
        reconnectOnError: (error) => error.message.startsWith('READONLY'),
        ...securityOf(address),
      };
    }
  }
}

function securityOf({ tls, username, password }: { readonly tls: boolean } & RedisCredentials): RedisOptions {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
}

/** Of every connection, to whatever. */
function connectionOptions(options: ConnectOptions) {
  return {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: options.silenceMsMax ?? SILENCE_MS_MAX,
    // The replies that we take apart are those of RESP2.
    protocol: 2,
    disableClientInfo: true,
    // How long a connection that is given up may take to say goodbye; a process that ends waits for it.
    disconnectTimeout: DISCONNECT_MS_MAX,
    ...(options.name === undefined ? {} : { connectionName: options.name }),
  } as const;
}

function reconnectDelayMs(attempt: number): number {
  return Math.min(RECONNECT_MS_MIN * 2 ** Math.min(attempt - 1, 10), RECONNECT_MS_MAX);
}

/** One line when Redis goes away and one when it is back, however often the connection is tried in between. */
function logOutages(redis: Redis, logger: Logger | undefined): void {
  let away = false;
  redis.on('error', (error: Error) => {
    if (away) return;
    away = true;
    logger?.warn({ err: error }, 'Redis is not reachable');
  });
  redis.on('ready', () => {
    if (away) logger?.info('Redis is reachable again');
    away = false;
  });
}

/** The same for each node of a cluster, and for all of them together. */
function logNodeOutages(cluster: Cluster, logger: Logger | undefined): void {
  const away = new Set<string>();
  const goes = (node: string, error: Error): void => {
    if (away.has(node)) return;
    away.add(node);
    logger?.warn({ err: error, node }, 'a node of the Redis Cluster is not reachable');
  };
  cluster.on('error', (error: Error) => goes('all', error));
  cluster.on('node error', (error: Error, node: string) => goes(node, error));
  cluster.on('+node', (connection: Redis) => {
    const { host, port } = connection.options;
    connection.on('ready', () => {
      const node = `${host}:${port}`;
      if (away.delete(node)) logger?.info({ node }, 'a node of the Redis Cluster is reachable again');
    });
  });
  cluster.on('ready', () => {
    if (away.delete('all')) logger?.info('the Redis Cluster is reachable again');
  });
}

function becomesReady(redis: Redis | Cluster, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let lastError: Error | undefined;
    const onError = (error: Error): void => {
      lastError = error;
    };
    const timer = setTimeout(() => {
      redis.off('error', onError);
      reject(lastError ?? new Error('no answer'));
    }, timeoutMs);
    redis.on('error', onError);
    redis.once('ready', () => {
      clearTimeout(timer);
      redis.off('error', onError);
      resolve();
    });
  });
}
