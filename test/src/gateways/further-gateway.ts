import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Installation } from '@breakwater/bench';
import { freePort } from '@breakwater/free-port';
import { StartedProgram } from '@breakwater/observability/testing';

const MAIN = fileURLToPath(new URL('../../../apps/gateway/dist/main.js', import.meta.url));

export interface FurtherGatewayOptions {
  readonly installation: Installation;
  readonly env?: Readonly<Record<string, string>>;
}

/** A gateway beside those of an installation, on its Redis, which a test can end in every way. */
export class FurtherGateway {
  readonly mqttPort: number;
  readonly #options: FurtherGatewayOptions;
  #program: StartedProgram | null = null;
  #healthPort = 0;

  private constructor(mqttPort: number, options: FurtherGatewayOptions) {
    this.mqttPort = mqttPort;
    this.#options = options;
  }

  static async start(options: FurtherGatewayOptions): Promise<FurtherGateway> {
    const gateway = new FurtherGateway(await freePort(), options);
    await gateway.startAgain();
    return gateway;
  }

  get healthPort(): number {
    return this.#healthPort;
  }

  /** On the ports that it had. Settles when devices can connect. */
  async startAgain(): Promise<void> {
    this.#healthPort ||= await freePort();
    const { installation, env } = this.#options;
    this.#program = new StartedProgram([process.execPath, MAIN], {
      env: {
        ...process.env,
        BREAKWATER_SUPERVISED: '1',
        REDIS_URL: `unix://${join(installation.dataDir, 'redis', 'redis.sock')}`,
        BIND_HOST: '127.0.0.1',
        MQTT_PORT: String(this.mqttPort),
        MQTT_WS_PORT: '0',
        METRICS_PORT: String(this.#healthPort),
        PARTITIONS: '16',
        NODE_OPTIONS: '',
        ...(await logOf(installation)),
        ...env,
      },
    });
    await this.#program.ready();
  }

  /** SIGSTOP, SIGCONT, and others that do not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#program?.signal(signal);
  }

  /** Settles with its exit code when it is gone. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    return this.#program?.end(signal) ?? null;
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`http://127.0.0.1:${this.#healthPort}/health/ready`).catch(() => null);
    return answer?.status === 200;
  }
}

/** The log of an installation, as its parts are told of it. */
async function logOf(installation: Installation): Promise<Readonly<Record<string, string>>> {
  const port = (await installation.parts()).get('kafka')?.ports['kafka'];
  if (port === undefined) return { EVENT_LOG: 'redis' };
  const oneCopy = { KAFKA_REPLICATION_FACTOR: '1', KAFKA_MIN_INSYNC_REPLICAS: '1' };
  return { EVENT_LOG: 'kafka', KAFKA_BROKERS: `127.0.0.1:${port}`, ...oneCopy };
}
