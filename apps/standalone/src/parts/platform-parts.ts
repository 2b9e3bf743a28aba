import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { NODE_ARGUMENTS } from '@breakwater/config';

import type { Part } from '../supervise/part.ts';
import { redisAnswers, redisArguments } from './redis-server.ts';

/** dist/ of this package is three folders below the root. */
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

export interface PlatformOptions {
  readonly dataFolder: string;
  /** Of a Redis that is there already; empty for one of our own. */
  readonly redisUrl: string;
  readonly redisServerPath: string;
  readonly redisSocketPath: string;
  readonly redisMemoryMegabytes: number;
  readonly clickhousePort: number;
  /** Empty when there is to be no Temporal. */
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly temporalNiceness: number;
  readonly twinWorkers: number;
  /** Null: no other broker is read. */
  readonly bridgePassword: string | null;
  readonly adminKey: string;
  readonly partitions: number;
  /** What each lane of a partition may hold, as environment. */
  readonly laneBudgets: Readonly<Record<string, string>>;
  /** The engine of the log, as environment, and what it consists of beside Redis. */
  readonly log: { readonly env: Readonly<Record<string, string>>; readonly parts: readonly Part[] };
}

/** Stop order: first nothing new comes in, then what is in is worked off, and the stores go last. */
export const STOP = {
  gateway: 1,
  api: 2,
  writer: 3,
  worker: 4,
  clickhouse: 5,
  temporal: 5,
  kafka: 6,
  redis: 6,
} as const;
/** The api is last: its port opens when the platform can be used, so when devices can connect too. */
export const START = { store: 1, app: 2, api: 3 } as const;

/** Heap limits keep every process below 600 MB; the embedded ClickHouse has its memory outside of the heap. */
const APPS = {
  clickhouse: {
    folder: 'embedded-clickhouse',
    heapMegabytes: 256,
    startLevel: START.store,
    stopLevel: STOP.clickhouse,
  },
  worker: {
    folder: 'twin-worker',
    heapMegabytes: 384,
    nodeArguments: NODE_ARGUMENTS['twin-worker'],
    startLevel: START.app,
    stopLevel: STOP.worker,
  },
  writer: { folder: 'telemetry-writer', heapMegabytes: 384, startLevel: START.app, stopLevel: STOP.writer },
  api: { folder: 'api', heapMegabytes: 384, startLevel: START.api, stopLevel: STOP.api },
  temporalWorker: {
    folder: 'temporal-worker',
    path: 'temporal/worker',
    heapMegabytes: 384,
    startLevel: START.app,
    stopLevel: STOP.worker,
  },
  gateway: {
    folder: 'gateway',
    heapMegabytes: 384,
    nodeArguments: NODE_ARGUMENTS.gateway,
    startLevel: START.app,
    stopLevel: STOP.gateway,
  },
} as const;

/** What `npm start` starts. */
export function platformParts(options: PlatformOptions): readonly Part[] {
  const env = sharedEnvironment(options);
  const workerNames = Array.from({ length: options.twinWorkers }, (_, index) => `twin-worker-${index + 1}`);
  return [
    ...(options.redisUrl === '' ? [redisPart(options)] : []),
    ...options.log.parts,
    appPart(APPS.clickhouse, env),
    ...workerNames.map((name) => appPart(APPS.worker, env, name)),
    // Under the same name a writer that was killed goes on at once: its own turn is no other's.
    appPart(APPS.writer, { ...env, WRITER_NAME: 'npm-start' }),
    // The key of the administrator goes to the api alone.
    appPart(APPS.api, { ...env, ADMIN_API_KEY: options.adminKey }),
    appPart(APPS.gateway, { ...env, GATEWAY_ROLE: 'gateway' }),
    ...bridgeParts(options, env),
  ];
}

/** A gateway process that reads another broker. Its password there is for nobody else. */
function bridgeParts({ bridgePassword }: PlatformOptions, env: Part['env']): readonly Part[] {
  if (bridgePassword === null) return [];
  return [appPart(APPS.gateway, { ...env, GATEWAY_ROLE: 'bridge', BRIDGE_PASSWORD: bridgePassword }, 'bridge')];
}

/** What runs the workflows of commands; it is started when there is a Temporal to run them on. */
export function temporalWorkerPart(options: PlatformOptions): Part {
  return { ...appPart(APPS.temporalWorker, sharedEnvironment(options)), niceness: options.temporalNiceness };
}

interface App {
  readonly folder: string;
  /** Where it is not in `apps`. */
  readonly path?: string;
  readonly heapMegabytes: number;
  readonly nodeArguments?: readonly string[];
  readonly startLevel: number;
  readonly stopLevel: number;
}

function appPart(app: App, env: Part['env'], name: string = app.folder): Part {
  const folder = join(ROOT, app.path ?? join('apps', app.folder));
  return {
    name,
    command: process.execPath,
    args: [`--max-old-space-size=${app.heapMegabytes}`, ...(app.nodeArguments ?? []), join(folder, 'dist', 'main.js')],
    env,
    startLevel: app.startLevel,
    stopLevel: app.stopLevel,
  };
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
    socket: options.redisSocketPath,
    probe: () => redisAnswers(options.redisSocketPath),
  };
}

function sharedEnvironment(options: PlatformOptions): Record<string, string> {
  return {
    NODE_ENV: 'production',
    DATA_DIR: options.dataFolder,
    REDIS_URL: options.redisUrl === '' ? `unix://${options.redisSocketPath}` : options.redisUrl,
    CLICKHOUSE_URL: `http://127.0.0.1:${options.clickhousePort}`,
    EMBEDDED_CLICKHOUSE_PORT: String(options.clickhousePort),
    TEMPORAL_ADDRESS: options.temporalAddress,
    TEMPORAL_NAMESPACE: options.temporalNamespace,
    TEMPORAL_TLS: 'false',
    ADMIN_API_KEY: '',
    BRIDGE_PASSWORD: '',
    PARTITIONS: String(options.partitions),
    METRICS_PORT: '0',
    ...options.log.env,
    ...options.laneBudgets,
  };
}
