import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { endProcess } from '@breakwater/observability/testing';
import type { Redis } from 'ioredis';

import { connectRedis, type ConnectOptions } from '../connect-redis.ts';

export interface RedisServerForTest {
  /** For `connectRedis`. */
  readonly url: string;
  readonly socketPath: string;
  readonly pid: number;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
  /** Starts it again on the same data. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/**
 * True when a redis-server can be started. Where there is none, tests that need it are skipped by name; in CI it must
 * be there, so that a skip is a failure.
 */
export function redisServerAvailable(): boolean {
  if (process.env['CI'] === 'true') return true;
  return spawnSync('redis-server', ['--version']).status === 0;
}

/** A redis-server as `npm start` runs it, in a folder of its own, on a Unix socket. */
export async function startRedisServer(
  options: { readonly memoryBytesMax?: number; readonly extra?: readonly string[] } = {},
): Promise<RedisServerForTest> {
  const dataDir = await mkdtemp(join(tmpdir(), 'breakwater-redis-'));
  const socketPath = join(dataDir, 'redis.sock');
  const url = `unix://${socketPath}`;
  const command = [
    ...['--port', '0', '--unixsocket', socketPath, '--unixsocketperm', '700', '--dir', dataDir],
    // What `npm start` promises: one fsync per turn of the event loop, before its replies; nothing is ever evicted.
    ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
    ...['--maxmemory', String(options.memoryBytesMax ?? 0), '--maxmemory-policy', 'noeviction'],
    ...(options.extra ?? []),
  ];
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = spawn('redis-server', command, { stdio: 'ignore' });
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
    await Promise.race([failed, connectRedis(url).then((redis) => redis.disconnect())]);
  };
  const kill = async (): Promise<void> => {
    await endProcess(child);
  };
  await start();
  return {
    url,
    socketPath,
    get pid() {
      return child.pid!;
    },
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      await kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A connection to one server, with all commands of Redis. */
export async function connectServer(url: string, options: ConnectOptions = {}): Promise<Redis> {
  return (await connectRedis(url, options)) as Redis;
}
