import { execFile } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { StormPlatform } from './platform/storm-platform.ts';

const GIB = 1024 ** 3;
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

/** What a figure says nothing without. */
export interface MachineFacts {
  readonly hardware: string;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
}

export async function machineFacts(platform: Pick<StormPlatform, 'clickhouse'>): Promise<MachineFacts> {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  return {
    hardware: `${cpus().length} cores (${model}), ${Math.round(totalmem() / GIB)} GiB`,
    system: `${type()} ${release()}`,
    versions: {
      breakwater: await firstLine('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD']),
      node: process.versions.node,
      redis: /v=(\S+)/.exec(await firstLine('redis-server', ['--version']))?.[1] ?? 'unknown',
      clickhouse: await clickhouseVersion(platform),
    },
  };
}

async function clickhouseVersion(platform: Pick<StormPlatform, 'clickhouse'>): Promise<string> {
  const client = await platform.clickhouse();
  try {
    const result = await client.query({ query: 'SELECT version() AS version', format: 'JSONEachRow' });
    return (await result.json<{ version: string }>())[0]?.version ?? 'unknown';
  } finally {
    await client.close();
  }
}

async function firstLine(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(program, [...args])).stdout.split('\n')[0] ?? 'unknown';
  } catch {
    // No git, no checkout, or a redis-server elsewhere: the figure stands without it.
    return 'unknown';
  }
}
