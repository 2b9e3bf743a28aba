import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { type Installation, PlatformClient } from '@breakwater/bench';
import { createClient } from '@clickhouse/client';

import { afterThisTest } from './after-this-test.ts';
import { CommandDevice, type CommandDeviceOptions } from './command-device.ts';
import { until } from './platform-steps.ts';

/** A command as the API shows it. */
export interface CommandView {
  readonly commandId: string;
  readonly state: string;
  readonly attempts: number;
  readonly transitions: readonly { readonly state: string; readonly at: number; readonly reason?: string }[];
  readonly progress?: { readonly percent?: number };
  readonly result?: unknown;
  readonly deliveryUnknown?: true;
  readonly mayHaveRun?: true;
  readonly late?: { readonly state: string };
}

export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

export interface ProblemBody {
  readonly code: string;
}

/** Nothing may hang: whoever is not answered within this is left without an answer, and that fails. */
const ANSWER_TIMEOUT_MS = 60_000;
const PROVIDE_TEMPORAL = fileURLToPath(new URL('../../tools/provide-temporal.mjs', import.meta.url));

/** Temporal's program, when this machine has it. Building it is not for a test to begin. */
export function temporalProgram(): string | undefined {
  const output = execFileSync(process.execPath, [PROVIDE_TEMPORAL, '--find'], { encoding: 'utf8' });
  const { event, path } = JSON.parse(output) as { event: string; path?: string };
  return event === 'found' ? path : undefined;
}

/** It connects to the gateway of the installation, unless it names another. */
type DeviceOptions = Omit<CommandDeviceOptions, 'port'> & { readonly port?: number };

/** What a test of commands does with a platform, as operators do it: by the API, by Temporal's pages, by queries. */
export class CommandSteps {
  readonly #installation: Installation;

  constructor(installation: Installation) {
    this.#installation = installation;
  }

  /** A new device. `registerDevices` numbers it: its id ends with -0. */
  async device(id: string, options: Omit<DeviceOptions, 'token' | 'clientId'>): Promise<CommandDevice> {
    const [login] = await new PlatformClient(this.#installation).registerDevices(id, 1);
    return this.knownDevice({ token: login?.token ?? '', clientId: `${id}-0`, ...options });
  }

  /** A device that is registered already. It is gone with the test. */
  knownDevice(options: DeviceOptions): CommandDevice {
    const device = new CommandDevice({ port: this.#installation.mqttPort, ...options });
    afterThisTest(() => device.stop());
    return device;
  }

  order(device: string, body: object): Promise<Answer<CommandView & ProblemBody>> {
    return this.request('POST', `devices/${encodeURIComponent(device)}/commands`, body);
  }

  /**
   * Orders until there is a verdict. A machine that does much else may leave Temporal too little of it to answer in
   * time, and the API then says 503; the same id is the same command, however often it is ordered.
   */
  async orderSurely(
    device: string,
    body: { readonly commandId: string; readonly method: string; readonly [field: string]: unknown },
  ): Promise<Answer<CommandView & ProblemBody>> {
    let last: Answer<CommandView & ProblemBody> | null = null;
    await until(`${body.commandId} to be ordered`, async () => {
      last = await this.order(device, body);
      return last.status !== 503;
    });
    return last as unknown as Answer<CommandView & ProblemBody>;
  }

  async command(id: string): Promise<CommandView> {
    const { status, body } = await this.request<CommandView>('GET', `commands/${id}`);
    if (status !== 200) throw new Error(`the command ${id} is answered with ${status}`);
    return body;
  }

  cancel(id: string, body: object = {}): Promise<Answer<CommandView & ProblemBody>> {
    return this.request('POST', `commands/${id}:cancel`, body);
  }

  async reaches(id: string, ...states: readonly string[]): Promise<CommandView> {
    let last: CommandView | null = null;
    await until(`${id} to be ${states.join(' or ')}`, async () => {
      last = await this.command(id);
      if (states.includes(last.state)) return true;
      throw new Error(`it is ${JSON.stringify(last)}`);
    });
    return last as unknown as CommandView;
  }

  async request<Body>(method: string, path: string, body?: object): Promise<Answer<Body>> {
    const response = await fetch(`${this.#installation.url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#installation.key}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Body };
  }

  /** Until Temporal and its worker are up, commands are refused. */
  async ready(): Promise<void> {
    await until('Temporal to take commands', async () => {
      const { status, degraded } = await this.#readiness();
      if (status === 200 && !degraded.some(({ part }) => part === 'temporal')) return true;
      throw new Error(`/health/ready answers ${status}: ${JSON.stringify(degraded)}`);
    });
  }

  /** Ids of the workflows that such a search finds, as Temporal's pages do it. */
  async workflows(query: string): Promise<readonly string[]> {
    const port = (await this.#installation.parts()).get('temporal')?.ports['ui'];
    const url = `http://127.0.0.1:${String(port)}/api/v1/namespaces/breakwater/workflows?query=${encodeURIComponent(query)}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`Temporal's pages answer ${response.status}: ${await response.text()}`);
    const { executions = [] } = (await response.json()) as {
      readonly executions?: readonly { readonly execution: { readonly workflowId: string } }[];
    };
    return executions.map(({ execution }) => execution.workflowId);
  }

  /** Waits until the workflow of the command is closed, and Temporal finds it by how the command ended. */
  async closes(device: string, commandId: string, state: string, status = 'Completed'): Promise<void> {
    const query = `DeviceId="${device}" AND CommandState="${state}" AND ExecutionStatus="${status}"`;
    await until(`the workflow of ${commandId} to close`, async () =>
      (await this.workflows(query)).includes(`cmd/default/${device}/${commandId}`),
    );
  }

  /** Rows of a query on ClickHouse. */
  async rows<Row>(query: string): Promise<readonly Row[]> {
    const port = (await this.#installation.parts()).get('embedded-clickhouse')?.ports['clickhouse'];
    const clickhouse = createClient({ url: `http://127.0.0.1:${String(port)}`, database: 'breakwater' });
    try {
      const found = await clickhouse.query({ query, format: 'JSONEachRow' });
      return await found.json<Row>();
    } finally {
      await clickhouse.close();
    }
  }

  async #readiness(): Promise<{ readonly status: number; readonly degraded: readonly { readonly part: string }[] }> {
    const response = await fetch(`${this.#installation.url}/health/ready`);
    const { degraded } = (await response.json()) as { readonly degraded: readonly { readonly part: string }[] };
    return { status: response.status, degraded };
  }
}
