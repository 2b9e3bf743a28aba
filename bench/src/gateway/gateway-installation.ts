import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { connectRedis, RedisDeviceRegistry } from '@breakwater/adapter-redis';
import { type RedisServerForTest, startRedisServer } from '@breakwater/adapter-redis/testing';
import { freePort } from '@breakwater/free-port';
import type { DeviceId, TenantId } from '@breakwater/twin';

import type { DeviceLogin } from '../simulated-device.ts';

const PARTITIONS = 16;
/** As `npm start` gives it. */
const HEAP_MEGABYTES = 384;
const NODE_ARGUMENTS = ['--initial-old-space-size=256', '--max-semi-space-size=16'];
/** Nothing reads the log and trims it. */
const LANE_BYTES = 1024 ** 3;
const READY_TIMEOUT_MS = 60_000;
const REGISTERED_AT_ONCE = 200;
const TENANT = 'bench' as TenantId;

/** A Redis and the gateway of one checkout, and nothing else of the platform. */
export class GatewayInstallation {
  readonly mqttPort: number;
  readonly pids: ReadonlyMap<string, number>;
  readonly #server: RedisServerForTest;
  readonly #child: ChildProcess;
  readonly #metricsUrl: string;

  private constructor(
    server: RedisServerForTest,
    gateway: { readonly child: ChildProcess; readonly mqttPort: number; readonly metricsPort: number },
  ) {
    const { child, mqttPort, metricsPort } = gateway;
    this.#server = server;
    this.#child = child;
    this.mqttPort = mqttPort;
    this.#metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    this.pids = new Map([
      ['gateway', child.pid!],
      ['redis', server.pid],
    ]);
  }

  /** @param root the checkout whose built gateway is run. */
  static async start(
    root: string,
    options: {
      readonly env: Readonly<Record<string, string>>;
      readonly nodeArguments: readonly string[];
      readonly cwd: string;
    },
  ): Promise<GatewayInstallation> {
    const server = await startRedisServer();
    const mqttPort = await freePort();
    const main = join(root, 'apps', 'gateway', 'dist', 'main.js');
    const nodeArguments = [`--max-old-space-size=${HEAP_MEGABYTES}`, ...NODE_ARGUMENTS, ...options.nodeArguments];
    const child = spawn(process.execPath, [...nodeArguments, main], {
      cwd: options.cwd,
      env: {
        ...process.env,
        NODE_ENV: 'production',
        REDIS_URL: server.url,
        PARTITIONS: String(PARTITIONS),
        LOG_TELEMETRY_BYTES_PER_PARTITION: String(LANE_BYTES),
        METRICS_PORT: '0',
        MQTT_PORT: String(mqttPort),
        MQTT_WS_PORT: '0',
        BIND_HOST: '127.0.0.1',
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new GatewayInstallation(server, { child, mqttPort, metricsPort: await metricsPortOf(child) });
  }

  async register(count: number): Promise<readonly DeviceLogin[]> {
    const redis = await connectRedis(this.#server.url, { name: 'gateway-benchmark' });
    const registry = new RedisDeviceRegistry(redis);
    const nowMs = Date.now();
    await registry.createTenant(TENANT, hashOf('key'), nowMs);
    const logins = Array.from({ length: count }, (_, index) => ({ id: `dev-${index}`, token: `token-${index}` }));
    for (let first = 0; first < count; first += REGISTERED_AT_ONCE) {
      await Promise.all(
        logins
          .slice(first, first + REGISTERED_AT_ONCE)
          .map(({ id, token }) => registry.createDevice(TENANT, id as DeviceId, hashOf(token), nowMs)),
      );
    }
    redis.disconnect();
    return logins;
  }

  /** Durable appends so far. */
  async appends(): Promise<number> {
    const text = await (await fetch(this.#metricsUrl)).text();
    return Number(/^breakwater_log_append_seconds_count\S* (\S+)$/m.exec(text)?.[1] ?? 0);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await ended;
    }
    await this.#server.stop();
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function metricsPortOf(child: ChildProcess): Promise<number> {
  const timer = setTimeout(() => child.kill('SIGKILL'), READY_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (!line.includes('"event":"ready"')) return;
      clearTimeout(timer);
      const { ports } = JSON.parse(line) as { readonly ports: Readonly<Record<string, number>> };
      resolve(ports['metrics']!);
    });
  });
}
