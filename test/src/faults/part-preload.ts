import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { LINKS_FOLDER, redisLinkOf, WORKER_SLOTS } from './link-places.ts';

/**
 * Loaded into every process of a platform under test before its own program (`node --import`). It moves the addresses
 * that a part is given, so that its way to Redis and to ClickHouse leads over a link that the test can spoil. The parts
 * know nothing of it, and neither does the supervisor.
 */
const folder = process.env[LINKS_FOLDER];
const app = /(?:apps|temporal)\/([a-z-]+)\/dist\/main\.js$/.exec(process.argv[1] ?? '')?.[1];
if (folder !== undefined && app !== undefined && app !== 'standalone' && app !== 'embedded-clickhouse') {
  const clickhouse = new URL(process.env['CLICKHOUSE_URL'] ?? 'http://127.0.0.1:0');
  writeFileSync(join(folder, 'clickhouse.target'), clickhouse.port);
  clickhouse.port = readFileSync(join(folder, 'clickhouse.port'), 'utf8');
  process.env['CLICKHOUSE_URL'] = clickhouse.href.replace(/\/$/, '');
  process.env['REDIS_URL'] =
    `unix://${redisLinkOf(folder, app === 'twin-worker' ? `${app}-${takeSlot(folder)}` : app)}`;
}

/** Workers share their program: each takes the first slot whose process is no more. */
function takeSlot(linksFolder: string): number {
  for (let slot = 1; slot <= WORKER_SLOTS; slot++) {
    const file = join(linksFolder, `twin-worker-${slot}.pid`);
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return slot;
    } catch {
      if (isAlive(Number(readFileSync(file, 'utf8')))) continue;
      writeFileSync(file, String(process.pid));
      return slot;
    }
  }
  return WORKER_SLOTS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // There is no such process: its slot is free.
    return false;
  }
}
