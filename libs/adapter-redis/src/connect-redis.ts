import { PlatformError } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';
import { Redis, type RedisOptions as AnyRedisOptions } from 'ioredis';

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

const READY_TIMEOUT_MS = 15_000;
const SILENCE_MS_MAX = 15_000;
const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 1_000;
const DISCONNECT_MS_MAX = 200;
const UNIX_PREFIX = 'unix://';

/**
 * A connection on which an outage is an answer: every command that was under way when the connection broke has its
 * promise rejected at once, and its outcome is unknown.
 *
 * Two options of ioredis together make that so. `autoResendUnfulfilledCommands: false`, because a script that is sent
 * again after its reply was lost runs twice. `maxRetriesPerRequest: 0`, because with any higher number ioredis forgets
 * the commands under way when the next connection comes up first, and their promises would never settle.
 */
export async function connectRedis(url: string, options: ConnectOptions = {}): Promise<Redis> {
  const redis = new Redis({ ...addressOf(url), ...connectionOptions(options) });
  logOutages(redis, options.logger);
  const readyTimeoutMs = options.readyTimeoutMs ?? READY_TIMEOUT_MS;
  try {
    await becomesReady(redis, readyTimeoutMs);
  } catch (cause) {
    redis.disconnect();
    throw new PlatformError('BACKEND_UNAVAILABLE', `Redis at ${url} did not answer within ${readyTimeoutMs} ms`, {
      retryable: true,
      cause,
    });
  }
  return redis;
}

/** A second connection to the same server, for commands that block: they would hold up everything behind them. */
export function blockingConnection(redis: Redis, waitMsMax: number): Redis {
  const connection = redis.duplicate({ socketTimeout: waitMsMax + SILENCE_MS_MAX });
  // The connection it was made from logs the outage; without a listener ioredis would print it once more.
  connection.on('error', () => undefined);
  return connection;
}

function connectionOptions(options: ConnectOptions): RedisOptions {
  return {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    socketTimeout: options.silenceMsMax ?? SILENCE_MS_MAX,
    retryStrategy: (attempt) => Math.min(RECONNECT_MS_MIN * 2 ** Math.min(attempt - 1, 10), RECONNECT_MS_MAX),
    // The replies that we take apart are those of RESP2.
    protocol: 2,
    disableClientInfo: true,
    // How long a connection that is given up may take to say goodbye; a process that ends waits for it.
    disconnectTimeout: DISCONNECT_MS_MAX,
    ...(options.name === undefined ? {} : { connectionName: options.name }),
  };
}

function addressOf(url: string): RedisOptions {
  if (url.startsWith(UNIX_PREFIX)) return { path: url.slice(UNIX_PREFIX.length) };
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new PlatformError('SETTING_INVALID', `"${url}" is no address of a Redis`, { cause });
  }
  if (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:') {
    throw new PlatformError('SETTING_INVALID', `a Redis address starts with redis://, rediss:// or unix://: "${url}"`);
  }
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? 6379 : Number(parsed.port),
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
    ...(parsed.pathname.length > 1 ? { db: Number(parsed.pathname.slice(1)) } : {}),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  };
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

function becomesReady(redis: Redis, timeoutMs: number): Promise<void> {
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
