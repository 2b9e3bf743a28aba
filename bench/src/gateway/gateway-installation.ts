import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { connectRedis, RedisDeviceRegistry } from '@breakwater/adapter-redis';
import { type RedisServerForTest, startRedisServer } from '@breakwater/adapter-redis/testing';
import { NODE_ARGUMENTS } from '@breakwater/config';
import { freePort } from '@breakwater/free-port';
import { StartedProgram } from '@breakwater/observability/testing';
import type { DeviceId, TenantId } from '@breakwater/twin';

import type { DeviceLogin } from '../simulated-device.ts';

const PARTITIONS = 16;
/** As `npm start` gives it. */
const HEAP_MEGABYTES = 384;
/** Nothing reads the log and trims it. */
const LANE_BYTES = 1024 ** 3;
const REGISTERED_AT_ONCE = 200;
const TENANT = 'bench' as TenantId;

/** A Redis and the gateway of one checkout, and nothing else of the platform. */
export class GatewayInstallation {
  readonly mqttPort: number;
  readonly pids: ReadonlyMap<string, number>;
  readonly #server: RedisServerForTest;
  readonly #gateway: StartedProgram;
  readonly #metricsUrl: string;

  private constructor(
    server: RedisServerForTest,
    gateway: StartedProgram,
    { mqttPort, metricsPort }: { readonly mqttPort: number; readonly metricsPort: number },
  ) {
    this.#server = server;
    this.#gateway = gateway;
    this.mqttPort = mqttPort;
    this.#metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    this.pids = new Map([
      ['gateway', gateway.pid],
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
    const nodeArguments = [
      `--max-old-space-size=${HEAP_MEGABYTES}`,
      ...NODE_ARGUMENTS.gateway,
      ...options.nodeArguments,
    ];
    const gateway = new StartedProgram([process.execPath, ...nodeArguments, main], {
      cwd: options.cwd,
      env: {
        ...process.env,
        BREAKWATER_SUPERVISED: '1',
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
    });
    const { metrics } = await gateway.ready();
    return new GatewayInstallation(server, gateway, { mqttPort, metricsPort: metrics as number });
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
    await this.#gateway.end('SIGTERM');
    await this.#server.stop();
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
