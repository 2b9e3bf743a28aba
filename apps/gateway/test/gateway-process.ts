import { fileURLToPath } from 'node:url';

import { freePort } from '@breakwater/free-port';
import { StartedProgram } from '@breakwater/observability/testing';

import { PARTITIONS } from './gateway-fixture.ts';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** A gateway as a process of its own, which can be killed. */
export class GatewayProcess {
  readonly port: number;
  readonly #program: StartedProgram;

  private constructor(port: number, program: StartedProgram) {
    this.port = port;
    this.#program = program;
  }

  /** Settles when devices can connect. */
  static async start(
    redisUrl: string,
    port?: number,
    more: Readonly<Record<string, string>> = {},
  ): Promise<GatewayProcess> {
    const mqttPort = port ?? (await freePort());
    const program = new StartedProgram([process.execPath, MAIN], {
      env: {
        ...process.env,
        BREAKWATER_SUPERVISED: '1',
        REDIS_URL: redisUrl,
        MQTT_PORT: String(mqttPort),
        MQTT_WS_PORT: '0',
        BIND_HOST: '127.0.0.1',
        PARTITIONS: String(PARTITIONS),
        LOG_LEVEL: 'info',
        NODE_OPTIONS: '',
        ...more,
      },
    });
    await program.ready();
    return new GatewayProcess(mqttPort, program);
  }

  /** SIGKILL; settles when it is gone. */
  async kill(): Promise<void> {
    await this.#program.end('SIGKILL');
  }

  /** SIGTERM; settles when it has ended in order. */
  async stop(): Promise<void> {
    await this.#program.end('SIGTERM');
  }
}
