import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { StartRefused } from '../start-refused.ts';

/** sun_path holds 104 bytes on macOS and 108 on Linux, with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 100;
const REDIS_MAJOR_MIN = 7;
const HOMEBREW_FOLDERS = process.platform === 'darwin' ? ['/opt/homebrew/bin', '/usr/local/bin'] : [];
const ASK_TIMEOUT_MS = 1_000;
const VERSION_TIMEOUT_MS = 10_000;

/** REDIS_SERVER_PATH, else the first redis-server on PATH or where Homebrew puts it. */
export function findRedisServer(fromSetting: string, pathVariable: string): string {
  const candidates = fromSetting === '' ? onPath(pathVariable) : [fromSetting];
  const found = candidates.find(isExecutable);
  if (found === undefined) {
    throw new StartRefused(
      'REDIS_SERVER_MISSING',
      'redis-server was not found: run `npm run setup`, or set REDIS_SERVER_PATH',
    );
  }
  const version = /\bv=((\d+)\.\S+)/.exec(versionText(found));
  if (version === null || Number(version[2]) < REDIS_MAJOR_MIN) {
    throw new StartRefused(
      'REDIS_SERVER_MISSING',
      `redis-server ${REDIS_MAJOR_MIN} or newer is needed, ${found} is ${version?.[1] ?? 'something else'}: set REDIS_SERVER_PATH`,
    );
  }
  return found;
}

/** Empty for a file that may be executed and cannot be, such as one for another processor. */
function versionText(path: string): string {
  try {
    return execFileSync(path, ['--version'], { encoding: 'utf8', timeout: VERSION_TIMEOUT_MS, stdio: 'pipe' });
  } catch {
    // What it is, is said by whoever asked.
    return '';
  }
}

/** In the data folder; a path that is too long for a socket gets a short one that only this user can enter. */
export function redisSocketPath(dataFolder: string): string {
  const beside = join(dataFolder, 'redis', 'redis.sock');
  if (Buffer.byteLength(beside) <= SOCKET_PATH_BYTES_MAX) return beside;
  const digest = createHash('sha256').update(dataFolder).digest('hex').slice(0, 12);
  const folder = join(tmpdir(), `breakwater-${digest}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, 'redis.sock');
}

/**
 * Durable before it answers: every write is in the append-only file and synced (`appendfsync always`), also while the
 * file is being rewritten. Full means refused, never evicted. No TCP port: nothing but this platform can reach it.
 */
export function redisArguments(options: {
  readonly socketPath: string;
  readonly folder: string;
  readonly memoryMegabytes: number;
}): string[] {
  const settings: Record<string, string> = {
    port: '0',
    unixsocket: options.socketPath,
    unixsocketperm: '700',
    dir: options.folder,
    daemonize: 'no',
    save: '',
    appendonly: 'yes',
    appendfsync: 'always',
    'no-appendfsync-on-rewrite': 'no',
    'aof-load-truncated': 'yes',
    // On a full machine compressing the log again and again takes more than the disk that it saves is worth.
    rdbcompression: 'no',
    maxmemory: `${options.memoryMegabytes}mb`,
    'maxmemory-policy': 'noeviction',
    // A subscriber that does not read is cut off instead of filling the memory that the log needs.
    'client-output-buffer-limit': 'pubsub 32mb 8mb 60',
  };
  return Object.entries(settings).flatMap(([name, value]) =>
    name === 'client-output-buffer-limit' ? [`--${name}`, ...value.split(' ')] : [`--${name}`, value],
  );
}

/** True once it answers PING with PONG; while it loads its file it answers with an error. */
export async function redisAnswers(socketPath: string): Promise<boolean> {
  return (await askRedis(socketPath, 'PING'))?.startsWith('+PONG') ?? false;
}

/** The process behind the socket. A second server on the same files would destroy them, so one looks first. */
export async function redisProcessAt(socketPath: string): Promise<number | undefined> {
  const answer = await askRedis(socketPath, 'INFO server');
  const pid = /^process_id:(\d+)/m.exec(answer ?? '')?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** One inline command; undefined when nobody answers. */
function askRedis(socketPath: string, command: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = createConnection(socketPath);
    const finish = (result: string | undefined): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(ASK_TIMEOUT_MS, () => finish(undefined));
    socket.on('error', () => finish(undefined));
    socket.on('connect', () => socket.write(`${command}\r\nQUIT\r\n`));
    socket.on('data', (chunk: string) => (answer += chunk));
    socket.on('close', () => finish(answer === '' ? undefined : answer));
  });
}

function onPath(pathVariable: string): string[] {
  const folders = [...pathVariable.split(delimiter), ...HOMEBREW_FOLDERS];
  return folders.filter((folder) => folder !== '').map((folder) => join(folder, 'redis-server'));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    // A folder may be entered, which is the same permission.
    return statSync(path).isFile();
  } catch {
    // Not there, or not ours to run.
    return false;
  }
}
