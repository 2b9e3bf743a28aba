import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { partitionCountOf, type RedisClient, RedisRegistryCopy } from '@breakwater/adapter-redis';

import { CliFailure } from '../cli-failure.ts';
import { linesOfRegistry } from '../registry/registry-file.ts';
import type { Terminal } from '../terminal.ts';

/** Named in place of a file: what comes in, and what goes out. */
export const STANDARD_STREAM = '-';
/** For its owner alone: no secret is in it, but who has which devices is nobody else's matter. */
const FILE_MODE = 0o600;

/**
 * Writes a copy of the registry into a new file. One that is there is never overwritten: it may be the only backup.
 *
 * Answers the exit code.
 */
export async function registryExportCommand(redis: RedisClient, path: string, terminal: Terminal): Promise<number> {
  if ((await partitionCountOf(redis)) === null) {
    throw new CliFailure('INSTALLATION_NOT_FOUND', 'this Redis holds no installation');
  }
  const counts = { entries: 0, devices: 0 };
  const lines = Readable.from(linesOfRegistry(counted(new RedisRegistryCopy(redis), counts), Date.now()));
  if (path === STANDARD_STREAM) {
    await pipeline(lines, process.stdout, { end: false });
    return 0;
  }
  const file = await open(path, 'wx', FILE_MODE).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'it is there already, and may be a backup' : cause.message;
    throw new CliFailure('FILE_UNUSABLE', `${path} cannot be made: ${why}`, { cause });
  });
  try {
    await pipeline(lines, file.createWriteStream({ flush: true }));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  terminal.line(`${path}: ${counts.devices} devices, ${counts.entries} entries in all.`);
  return 0;
}

async function* counted(
  copy: RedisRegistryCopy,
  counts: { entries: number; devices: number },
): ReturnType<RedisRegistryCopy['read']> {
  for await (const entry of copy.read()) {
    counts.entries += 1;
    if (entry.kind === 'device') counts.devices += 1;
    yield entry;
  }
}
