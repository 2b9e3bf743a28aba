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

export async function twinMemory(installation: Installation): Promise<TwinMemory> {
  const socketPath = join(installation.dataDir, 'redis', 'redis.sock');
  let cursor = '0';
  let twins = 0;
  let bytes = 0;
  do {
    const answer = await ask(socketPath, ['EVAL', TWINS_SCRIPT, '0', cursor]);
    const [next = '0', count = '0', sum = '0'] = answer.split(' ');
    cursor = next;
    twins += Number(count);
    bytes += Number(sum);
  } while (cursor !== '0');
  const info = await ask(socketPath, ['INFO', 'memory']);
  return {
    twins,
    bytesPerTwin: twins === 0 ? 0 : bytes / twins,
    usedBytes: Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0),
  };
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
