import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { temporalHealth } from '@breakwater/adapter-temporal';
import { freePort } from '@breakwater/free-port';
import { endProcess } from '@breakwater/observability/testing';
import { COMMAND_SEARCH_ATTRIBUTES } from '@breakwater/wire';

import { until } from './until.ts';

const HOST = '127.0.0.1';
const NAMESPACE = 'breakwater';
const PROVIDE_TEMPORAL = fileURLToPath(new URL('../../../tools/provide-temporal.mjs', import.meta.url));

/** The program `temporal`, where it is on this machine. */
export function findTemporalProgram(): string | undefined {
  const output = execFileSync(process.execPath, [PROVIDE_TEMPORAL, '--find'], { encoding: 'utf8' });
  const { event, path } = JSON.parse(output) as { event: string; path?: string };
  return event === 'found' ? path : undefined;
}

/** Temporal's development server on free ports of the loopback, with nothing on disk. */
export class TemporalDevServer {
  readonly #server: ChildProcess;
  readonly address: string;
  readonly namespace = NAMESPACE;

  private constructor(program: string, port: number, dynamicConfig: readonly string[]) {
    this.address = `${HOST}:${port}`;
    const attributes = Object.values(COMMAND_SEARCH_ATTRIBUTES);
    const args = ['server', 'start-dev', '--headless', '--ip', HOST, '--port', String(port), '--namespace', NAMESPACE];
    args.push(...dynamicConfig.flatMap((value) => ['--dynamic-config-value', value]));
    args.push('--log-level', 'error', ...attributes.flatMap((name) => ['--search-attribute', `${name}=Keyword`]));
    const env = { ...withoutTemporalSettings(), TEMPORAL_VERSION_CHECK_DISABLED: '1' };
    this.#server = spawn(program, args, { env, stdio: 'ignore' });
  }

  /** @param dynamicConfig of the server, as `key=value` */
  static async start(program: string, dynamicConfig: readonly string[] = []): Promise<TemporalDevServer> {
    const server = new TemporalDevServer(program, await freePort(), dynamicConfig);
    const place = { temporalAddress: server.address, temporalNamespace: NAMESPACE, temporalTls: 'false' } as const;
    const health = temporalHealth(place);
    await until('Temporal to serve', async () => (await health.trouble()) === null);
    return server;
  }

  async stop(): Promise<void> {
    await endProcess(this.#server);
  }
}

/** The program reads variables of the same names, which may mean another Temporal than ours. */
function withoutTemporalSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}
