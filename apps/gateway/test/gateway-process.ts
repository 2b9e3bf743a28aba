import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { freePort } from '@breakwater/free-port';

import { PARTITIONS } from './gateway-fixture.ts';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** A gateway as a process of its own, which can be killed. */
export class GatewayProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  /** Settles when devices can connect. */
  static async start(
    redisUrl: string,
    port?: number,
    more: Readonly<Record<string, string>> = {},
  ): Promise<GatewayProcess> {
    const mqttPort = port ?? (await freePort());
    const env = { ...process.env, REDIS_URL: redisUrl, MQTT_PORT: String(mqttPort), MQTT_WS_PORT: '0' };
    const child = spawn(process.execPath, [MAIN], {
      env: {
        ...env,
        BIND_HOST: '127.0.0.1',
        PARTITIONS: String(PARTITIONS),
        LOG_LEVEL: 'info',
        NODE_OPTIONS: '',
        ...more,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout! });
    for await (const line of lines) if (line.includes('"event":"ready"')) break;
    child.stdout!.resume();
    return new GatewayProcess(mqttPort, child);
  }

  /** SIGKILL; settles when it is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM; settles when it has ended in order. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }
}
