import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CliFailure } from '../cli-failure.ts';
import { isRunning } from './find-installation.ts';

const STOP_TIMEOUT_MS = 60_000;

/**
 * Starts the redis-server of an embedded installation that is stopped, on its own data, for as long as `work` takes.
 * Only this process can reach it: it listens on a socket in a folder of its own.
 */
export async function withRedisOf<Result>(
  dataFolder: string,
  env: Readonly<Record<string, string | undefined>>,
  work: (redisUrl: string) => Promise<Result>,
): Promise<Result> {
  if (isRunning(dataFolder)) {
    throw new CliFailure('INSTALLATION_RUNNING', `an installation runs on ${dataFolder}: stop it first`);
  }
  const folder = join(dataFolder, 'redis');
  if (!existsSync(folder)) throw new CliFailure('INSTALLATION_NOT_FOUND', `${folder} is not there`);
  const socketFolder = mkdtempSync(join(tmpdir(), 'breakwater-'));
  const socket = join(socketFolder, 'redis.sock');
  const server = startServer(env['REDIS_SERVER_PATH'] || 'redis-server', folder, socket);
  try {
    return await work(`unix://${socket}`);
  } finally {
    await stopServer(server);
    rmSync(socketFolder, { recursive: true, force: true });
  }
}

/** As `npm start` runs it: durable before it answers. */
function startServer(program: string, folder: string, socket: string): ChildProcess {
  const settings = ['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700', '--dir', folder];
  const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
  const server = spawn(program, [...settings, ...durable], { stdio: 'ignore' });
  // That it is missing shows in the connection that it does not answer; unheard, the event would end this process.
  server.on('error', () => undefined);
  return server;
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const forced = setTimeout(() => server.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(forced);
}
