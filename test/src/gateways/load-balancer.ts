import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '@breakwater/free-port';
import { endProcess } from '@breakwater/observability/testing';

export interface BalancedGateway {
  readonly mqttPort: number;
  /** Where it says whether it is ready. */
  readonly healthPort: number;
}

/** The machine's haproxy is here. */
export function loadBalancerAvailable(): boolean {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    // It is not installed: the setup installs it where it may.
    return false;
  }
}

/** A TCP load balancer in front of gateways, set up as docs/operations/gateways.md says. */
export class LoadBalancer {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess;

  private constructor(port: number, folder: string, child: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = child;
  }

  static async start(gateways: readonly BalancedGateway[]): Promise<LoadBalancer> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'breakwater-haproxy-'));
    return new LoadBalancer(port, folder, run(folder, port, gateways));
  }

  /** Other gateways, or the same ones with another port of their health: what is connected is cut. */
  async replace(gateways: readonly BalancedGateway[]): Promise<void> {
    await endProcess(this.#process);
    this.#process = run(this.#folder, this.port, gateways);
  }

  async stop(): Promise<void> {
    await endProcess(this.#process);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function run(folder: string, port: number, gateways: readonly BalancedGateway[]): ChildProcess {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration(port, gateways));
  return spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
}

function configuration(port: number, gateways: readonly BalancedGateway[]): string {
  const servers = gateways.map(
    ({ mqttPort, healthPort }, index) => `  server gateway${index + 1} 127.0.0.1:${mqttPort} check port ${healthPort}`,
  );
  return [
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 2h',
    '  timeout server 2h',
    '  timeout check 2s',
    '  option redispatch 1',
    '  retries 3',
    'listen mqtt',
    `  bind 127.0.0.1:${port}`,
    '  balance leastconn',
    '  option httpchk GET /health/ready',
    '  default-server inter 200ms fall 1 rise 1',
    ...servers,
    '',
  ].join('\n');
}
