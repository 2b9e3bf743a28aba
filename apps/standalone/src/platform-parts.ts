import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Part } from './part.ts';
import { redisAnswers, redisArguments } from './redis-server.ts';

/** dist/ of this package is two folders below apps/. */
const APPS_FOLDER = fileURLToPath(new URL('../../', import.meta.url));

export interface PlatformOptions {
  readonly dataFolder: string;
  readonly redisServerPath: string;
  readonly redisSocketPath: string;
  readonly redisMemoryMegabytes: number;
  readonly clickhousePort: number;
  readonly twinWorkers: number;
  readonly adminKey: string;
  readonly partitions: number;
}

/** Stop order: first nothing new comes in, then what is in is worked off, and the stores go last. */
const STOP = { gateway: 1, api: 2, writer: 3, worker: 4, clickhouse: 5, redis: 6 } as const;
const START = { store: 1, app: 2 } as const;

/** What `npm start` starts. */
export function platformParts(options: PlatformOptions): readonly Part[] {
  const env = sharedEnvironment(options);
  const app = (
    name: string,
    folder: string,
    rest: { heapMegabytes: number; startLevel: number; stopLevel: number },
  ): Part => ({
    name,
    command: process.execPath,
    args: [`--max-old-space-size=${rest.heapMegabytes}`, join(APPS_FOLDER, folder, 'dist', 'main.js')],
    env,
    startLevel: rest.startLevel,
    stopLevel: rest.stopLevel,
  });
  const workers = Array.from({ length: options.twinWorkers }, (_, index) =>
    app(`twin-worker-${index + 1}`, 'twin-worker', {
      heapMegabytes: 384,
      startLevel: START.app,
      stopLevel: STOP.worker,
    }),
  );
  return [
    redisPart(options),
    // Its memory is chDB's own, outside of the heap.
    app('embedded-clickhouse', 'embedded-clickhouse', {
      heapMegabytes: 256,
      startLevel: START.store,
      stopLevel: STOP.clickhouse,
    }),
    ...workers,
    app('telemetry-writer', 'telemetry-writer', { heapMegabytes: 384, startLevel: START.app, stopLevel: STOP.writer }),
    app('api', 'api', { heapMegabytes: 384, startLevel: START.app, stopLevel: STOP.api }),
    app('gateway', 'gateway', { heapMegabytes: 384, startLevel: START.app, stopLevel: STOP.gateway }),
  ];
}

function redisPart(options: PlatformOptions): Part {
  return {
    name: 'redis',
    command: options.redisServerPath,
    args: redisArguments({
      socketPath: options.redisSocketPath,
      folder: join(options.dataFolder, 'redis'),
      memoryMegabytes: options.redisMemoryMegabytes,
    }),
    env: {},
    startLevel: START.store,
    stopLevel: STOP.redis,
    probe: () => redisAnswers(options.redisSocketPath),
  };
}

function sharedEnvironment(options: PlatformOptions): Record<string, string> {
  return {
    NODE_ENV: 'production',
    DATA_DIR: options.dataFolder,
    REDIS_URL: `unix://${options.redisSocketPath}`,
    CLICKHOUSE_URL: `http://127.0.0.1:${options.clickhousePort}`,
    EMBEDDED_CLICKHOUSE_PORT: String(options.clickhousePort),
    ADMIN_API_KEY: options.adminKey,
    PARTITIONS: String(options.partitions),
    METRICS_PORT: '0',
    EVENT_LOG: 'redis',
  };
}
