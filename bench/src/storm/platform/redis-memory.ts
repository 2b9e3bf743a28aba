import { createConnection } from 'node:net';
import { join } from 'node:path';

import type { Installation } from '../../installation.ts';

const ASK_TIMEOUT_MS = 60_000;

/** What Redis keeps of twins, in bytes. */
export interface TwinMemory {
  readonly twins: number;
  /** Of one twin's key, value and their overhead, on average over those that were looked at. */
  readonly bytesPerTwin: number;
  /** Everything in Redis, the log and its registry of devices included. */
  readonly usedBytes: number;
}

/**
 * Sums the memory of the hashes that twins share, two for each partition, a part of them at a time, so that Redis
 * serves others in between; their names are found among all keys.
 */
const TWINS_SCRIPT = `local page = redis.call('SCAN', ARGV[1], 'MATCH', 'bw:{*}:twins*', 'COUNT', 500)
local sum, twins = 0, 0
for _, key in ipairs(page[2]) do
  sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
  if string.match(key, ':twins$') then twins = twins + redis.call('HLEN', key) end
end
return page[1] .. ' ' .. twins .. ' ' .. sum`;

/** The telemetry lanes: what they were given, what of it they still hold, and the memory that this takes. */
const LOG_SCRIPT = `local page = redis.call('SCAN', ARGV[1], 'MATCH', 'bw:{*}:log:telemetry', 'COUNT', 500)
local records, appended, held, memory = 0, 0, 0, 0
for _, key in ipairs(page[2]) do
  local lane = redis.call('HMGET', key, 'end', 'appendedBytes', 'first')
  records = records + (lane[1] or 0)
  appended = appended + (lane[2] or 0)
  held = held + (lane[1] or 0) - (lane[3] or 0)
  memory = memory + (redis.call('MEMORY', 'USAGE', key .. ':frames', 'SAMPLES', 0) or 0)
end
return page[1] .. ' ' .. records .. ' ' .. appended .. ' ' .. held .. ' ' .. memory`;

/** All keys but the frames of the telemetry lanes: twins, registry, sessions, changes, the control lane. */
const KEPT_SCRIPT = `local page = redis.call('SCAN', ARGV[1], 'COUNT', 500)
local sum = 0
for _, key in ipairs(page[2]) do
  if not string.match(key, ':log:telemetry:frames$') then
    sum = sum + (redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) or 0)
  end
end
return page[1] .. ' ' .. sum`;

export interface LogMemory {
  readonly records: number;
  /** Of frames' bodies, with what the log counts for each frame. */
  readonly appendedBytes: number;
  readonly heldRecords: number;
  readonly heldMemoryBytes: number;
}

export async function twinMemory(installation: Installation): Promise<TwinMemory> {
  const socketPath = socketOf(installation);
  const [twins = 0, bytes = 0] = await sumOfPages(socketPath, TWINS_SCRIPT);
  const info = await ask(socketPath, ['INFO', 'memory']);
  return {
    twins,
    bytesPerTwin: twins === 0 ? 0 : bytes / twins,
    usedBytes: Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0),
  };
}

export async function logMemory(installation: Installation): Promise<LogMemory> {
  const sums = await sumOfPages(socketOf(installation), LOG_SCRIPT);
  const [records = 0, appendedBytes = 0, heldRecords = 0, heldMemoryBytes = 0] = sums;
  return { records, appendedBytes, heldRecords, heldMemoryBytes };
}

/**
 * Of everything in Redis but the telemetry log, in bytes. The sum over keys: beside a log of many megabytes, whose own
 * memory Redis estimates, a difference to all that is used would be of the same size as the error.
 */
export async function keptMemory(installation: Installation): Promise<number> {
  const [bytes = 0] = await sumOfPages(socketOf(installation), KEPT_SCRIPT);
  return bytes;
}

function socketOf({ dataDir }: Installation): string {
  return join(dataDir, 'redis', 'redis.sock');
}

/** Runs a script for each page of keys; it answers the next cursor and numbers, which are summed. */
async function sumOfPages(socketPath: string, script: string): Promise<readonly number[]> {
  const sums: number[] = [];
  let cursor = '0';
  do {
    const [next = '0', ...numbers] = (await ask(socketPath, ['EVAL', script, '0', cursor])).split(' ');
    for (const [index, text] of numbers.entries()) sums[index] = (sums[index] ?? 0) + Number(text);
    cursor = next;
  } while (cursor !== '0');
  return sums;
}

/** One command on a connection of its own, whose answer is one bulk string. */
function ask(socketPath: string, command: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath);
    const pieces: Buffer[] = [];
    socket.setTimeout(ASK_TIMEOUT_MS, () => socket.destroy(new Error(`Redis did not answer ${command[0] ?? ''}`)));
    socket.on('error', reject);
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      const bytes = Buffer.concat(pieces);
      const lineEnd = bytes.indexOf('\r\n');
      if (lineEnd < 0) return;
      const line = bytes.toString('utf8', 0, lineEnd);
      const length = Number(line.slice(1));
      if (!line.startsWith('$')) reject(new Error(`Redis answered ${line}`));
      else if (bytes.length < lineEnd + 2 + length + 2) return;
      else resolve(bytes.toString('utf8', lineEnd + 2, lineEnd + 2 + length));
      socket.destroy();
    });
    const words = command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    socket.write(`*${command.length}\r\n${words.join('')}`);
  });
}
