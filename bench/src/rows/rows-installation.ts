import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { connectRedis, type RedisClient } from '@breakwater/adapter-redis';
import { startRedisServer, type RedisServerForTest } from '@breakwater/adapter-redis/testing';
import { StartedProgram } from '@breakwater/observability/testing';
import { type ClickHouseClient, createClient } from '@clickhouse/client';

export const PARTITIONS = 16;
/** As `npm start` gives them. */
const HEAP_MEGABYTES = { 'embedded-clickhouse': 256, 'telemetry-writer': 384 } as const;

type App = keyof typeof HEAP_MEGABYTES;

interface RunningApp {
  readonly program: StartedProgram;
  readonly port: number;
}

/** A Redis, an embedded ClickHouse and a telemetry writer of one checkout, and nothing else of the platform. */
export class RowsInstallation {
  readonly redis: RedisClient;
  readonly clickhouse: ClickHouseClient;
  readonly pids: ReadonlyMap<string, number>;
  readonly #server: RedisServerForTest;
  readonly #apps: readonly RunningApp[];
  readonly #dataDir: string;
  readonly #metricsUrl: string;

  private constructor(parts: {
    readonly redis: RedisClient;
    readonly server: RedisServerForTest;
    readonly engine: RunningApp;
    readonly writer: RunningApp;
    readonly dataDir: string;
  }) {
    const { redis, server, engine, writer, dataDir } = parts;
    this.redis = redis;
    this.#server = server;
    this.#apps = [writer, engine];
    this.#dataDir = dataDir;
    this.#metricsUrl = `http://127.0.0.1:${writer.port}/metrics`;
    this.clickhouse = createClient({ url: `http://127.0.0.1:${engine.port}`, database: 'breakwater' });
    this.pids = new Map([
      ['telemetry-writer', writer.program.pid],
      ['embedded-clickhouse', engine.program.pid],
      ['redis', server.pid],
    ]);
  }

  /** @param root the checkout whose built apps are run. */
  static async start(
    root: string,
    options: { readonly writerArguments?: readonly string[]; readonly redisMemoryBytesMax: number },
  ): Promise<RowsInstallation> {
    const dataDir = await mkdtemp(join(tmpdir(), 'breakwater-rows-'));
    const server = await startRedisServer({ memoryBytesMax: options.redisMemoryBytesMax });
    const redis = await connectRedis(server.url, { name: 'rows-benchmark' });
    const env = { DATA_DIR: dataDir, PARTITIONS: String(PARTITIONS), METRICS_PORT: '0', NODE_ENV: 'production' };
    const engine = await startApp(root, 'embedded-clickhouse', { env });
    const stores = { REDIS_URL: server.url, CLICKHOUSE_URL: `http://127.0.0.1:${engine.port}` };
    const writer = await startApp(root, 'telemetry-writer', {
      env: { ...env, ...stores },
      nodeArguments: options.writerArguments ?? [],
    });
    return new RowsInstallation({ redis, server, engine, writer, dataDir });
  }

  /** The writer's metrics, as Prometheus reads them. */
  async metrics(): Promise<string> {
    return (await fetch(this.#metricsUrl)).text();
  }

  async recordsStored(): Promise<number> {
    return Number(/^breakwater_writer_records_total\S* (\S+)$/m.exec(await this.metrics())?.[1] ?? 0);
  }

  signalWriter(signal: NodeJS.Signals): void {
    process.kill(this.pids.get('telemetry-writer')!, signal);
  }

  async rows<Row>(query: string): Promise<readonly Row[]> {
    return (await this.clickhouse.query({ query, format: 'JSONEachRow' })).json<Row>();
  }

  async stop(): Promise<void> {
    for (const { program } of this.#apps) await program.end('SIGTERM');
    await this.clickhouse.close();
    this.redis.disconnect();
    await this.#server.stop();
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}

async function startApp(
  root: string,
  app: App,
  options: { readonly env: Readonly<Record<string, string>>; readonly nodeArguments?: readonly string[] },
): Promise<RunningApp> {
  const heap = `--max-old-space-size=${HEAP_MEGABYTES[app]}`;
  const main = join(root, 'apps', app, 'dist', 'main.js');
  const program = new StartedProgram([process.execPath, heap, ...(options.nodeArguments ?? []), main], {
    env: { ...process.env, BREAKWATER_SUPERVISED: '1', ...options.env },
  });
  const { clickhouse, metrics } = await program.ready();
  return { program, port: clickhouse ?? metrics ?? 0 };
}
