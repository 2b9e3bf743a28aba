import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import {
  COPY_BATCH_ENTRIES,
  ENTRY_REFUSALS,
  type EntryRefusal,
  type RedisClient,
  RedisRegistryCopy,
  type RegistryEntry,
} from '@breakwater/adapter-redis';

import { EXIT } from '../cli-failure.ts';
import { entriesOfFile } from '../registry/registry-file.ts';
import { bad, type Terminal } from '../terminal.ts';
import { STANDARD_STREAM } from './registry-export-command.ts';

const REFUSALS_SHOWN = 20;
const WHY: Readonly<Record<EntryRefusal, string>> = {
  DIFFERS: 'is there and says something else',
  DELETED_SINCE: 'was deleted here after the copy was taken',
  CREDENTIAL_TAKEN: 'has a secret that belongs to somebody else here',
};

/**
 * Adds what a copy holds and the registry does not. The file is read through before anything is written: one that was
 * cut off changes nothing.
 *
 * Answers the exit code: 1 when something was left out.
 */
export async function registryImportCommand(redis: RedisClient, path: string, terminal: Terminal): Promise<number> {
  if (path !== STANDARD_STREAM) return importFile(redis, path, terminal);
  const folder = await mkdtemp(join(tmpdir(), 'breakwater-registry-'));
  try {
    const received = join(folder, 'registry.ndjson');
    await pipeline(process.stdin, createWriteStream(received, { mode: 0o600 }));
    return await importFile(redis, received, terminal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function importFile(redis: RedisClient, path: string, terminal: Terminal): Promise<number> {
  let entries = 0;
  for await (const _ of entriesOfFile(path)) entries += 1;
  const copy = new RedisRegistryCopy(redis);
  const counts: Record<'written' | 'same' | EntryRefusal, number> = {
    ...{ written: 0, same: 0, DIFFERS: 0, DELETED_SINCE: 0, CREDENTIAL_TAKEN: 0 },
  };
  let refused = 0;
  for await (const batch of batchesOf(entriesOfFile(path))) {
    for (const [at, outcome] of (await copy.restore(batch)).entries()) {
      counts[outcome] += 1;
      if (outcome === 'written' || outcome === 'same') continue;
      refused += 1;
      if (refused <= REFUSALS_SHOWN) terminal.line(bad(`${nameOf(batch[at]!)} ${WHY[outcome]}: left out`));
    }
  }
  terminal.line(`${entries} entries: ${counts.written} written, ${counts.same} there already, ${refused} left out.`);
  if (refused === 0) return 0;
  terminal.line(ENTRY_REFUSALS.map((reason) => `${reason}: ${counts[reason]}`).join(', '));
  return EXIT.differs;
}

async function* batchesOf(entries: AsyncIterable<RegistryEntry>): AsyncGenerator<readonly RegistryEntry[]> {
  let batch: RegistryEntry[] = [];
  for await (const entry of entries) {
    batch.push(entry);
    if (batch.length < COPY_BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function nameOf(entry: RegistryEntry): string {
  const what = { tenant: 'tenant', apiKey: 'API key of', trust: 'trust of', device: 'device', endedDevice: 'device' };
  return `${what[entry.kind]} ${entry.tenant}${'device' in entry ? `/${entry.device}` : ''}`;
}
