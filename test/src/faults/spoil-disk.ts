import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

import { pause } from '../platform-steps.ts';
import type { PlatformUnderFault } from './platform-under-fault.ts';

const FILL_CHUNK_BYTES = 1024 * 1024;
const FILLER = 'filler';

/** Fills the small disk of a part to its last byte, and frees it again. */
export async function fillDisk(platform: PlatformUnderFault, part: string, forMs: number): Promise<string> {
  const folder = join(platform.dataDir, part);
  const path = join(folder, FILLER);
  const endMs = Date.now() + forMs;
  const file = await open(path, 'w');
  const chunk = Buffer.alloc(FILL_CHUNK_BYTES);
  try {
    // What the part frees meanwhile is taken as well: the disk stays full.
    while (Date.now() < endMs) {
      await fill(file, chunk);
      await pause(100);
    }
  } finally {
    await file.close();
    await rm(path);
  }
  const { bavail, bsize } = await statfs(folder);
  return `full for ${forMs / 1000} s, then ${Math.round((bavail * bsize) / FILL_CHUNK_BYTES)} MB free`;
}

async function fill(file: Awaited<ReturnType<typeof open>>, chunk: Buffer): Promise<void> {
  for (let size = chunk.length; size >= 1;) {
    try {
      await file.write(chunk, 0, size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      size = Math.floor(size / 2);
    }
  }
}

/** Has every fsync of a process wait before it begins. */
export async function slowFsync(
  pid: number,
  { delayMs, forMs }: { readonly delayMs: number; readonly forMs: number },
): Promise<void> {
  const calls = 'fsync,fdatasync';
  const delay = `inject=${calls}:delay_enter=${delayMs * 1000}`;
  const args = ['-f', '-q', '-o', '/dev/null', '-p', String(pid), '-e', `trace=${calls}`, '-e', delay];
  const tracer = spawn('strace', args, { stdio: 'ignore' });
  const ended = once(tracer, 'exit');
  await pause(forMs);
  if (tracer.exitCode !== null) throw new Error(`strace ended with ${tracer.exitCode}`);
  // It lets go of the process and ends.
  tracer.kill('SIGINT');
  await ended;
}
