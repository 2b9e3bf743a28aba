import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { TemporalCommandWorkflows } from '@breakwater/adapter-temporal';
import { createLogger } from '@breakwater/observability';
import type { CommandState, DeviceId, Incarnation, TenantId } from '@breakwater/twin';
import { systemClock } from '@breakwater/twin-runtime';
import { COMMAND_QUERY, type CommandDocument, commandWorkflowId, type DeviceCommandInput } from '@breakwater/wire';
import type { CommandActivities } from '@breakwater/workflows';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';

import { CommandWorker } from '../src/command-worker.ts';
import { readTemporalWorkerSettings } from '../src/read-temporal-worker-settings.ts';
import { installSdkLogger } from '../src/sdk-logger.ts';
import { findTemporalProgram, TemporalDevServer } from './temporal-dev-server.ts';
import { until } from './until.ts';

const TEST_TIMEOUT_MS = 180_000;
const HISTORIES = fileURLToPath(new URL('../../histories/', import.meta.url));
/** Set by `npm run temporal:histories`: what happens here is kept, for later code to be replayed on. */
const IS_RECORDING = process.env['RECORD_HISTORIES'] === 'true';
const TENANT = 'default' as TenantId;
const DEVICE = 'pump-1' as DeviceId;
const DEADLINE_AFTER_MS = 3_600_000;
/** So long that nothing is resent in a test that is not about it. */
const NO_RETRY = { attempts: 1, initialMs: 60_000, maxMs: 60_000 };
const ONE_QUICK_RETRY = { attempts: 2, initialMs: 100, maxMs: 1_000 };
const PROCESS_AT_MACHINE = /@/;
const logger = createLogger('temporal-worker', 'silent');
const sdkLogger = installSdkLogger(logger);

const program = findTemporalProgram();
const describeWithTemporal = program === undefined && process.env['CI'] !== 'true' ? describe.skip : describe;

/** What the workflow had done, in order. */
class RecordingActivities implements CommandActivities {
  readonly calls: unknown[][] = [];

  async orderCommand({ commandId }: DeviceCommandInput): Promise<void> {
    this.calls.push(['orderCommand', commandId]);
  }

  async resendCommand({ commandId }: DeviceCommandInput, dispatch: number): Promise<void> {
    this.calls.push(['resendCommand', commandId, dispatch]);
  }

  async checkCommand({ commandId }: DeviceCommandInput): Promise<void> {
    this.calls.push(['checkCommand', commandId]);
  }

  async cancelCommand({ commandId }: DeviceCommandInput, reason: string): Promise<void> {
    this.calls.push(['cancelCommand', commandId, reason]);
  }
}

describeWithTemporal('deviceCommand on a real Temporal (needs its CLI)', () => {
  let server: TemporalDevServer;
  let connection: Connection;
  let client: Client;
  let workflows: TemporalCommandWorkflows;
  let worker: CommandWorker;
  let activities: RecordingActivities;

  beforeAll(async () => {
    if (program === undefined) throw new Error('the program `temporal` is missing, and here it must not be');
    server = await TemporalDevServer.start(program);
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection, namespace: server.namespace });
    workflows = new TemporalCommandWorkflows(settingsOf(server));
  }, TEST_TIMEOUT_MS);

  afterAll(async () => {
    await workflows?.close();
    await connection?.close();
    await server?.stop();
  }, TEST_TIMEOUT_MS);

  beforeEach(async () => {
    activities = new RecordingActivities();
    worker = await startWorker(server, activities);
  }, TEST_TIMEOUT_MS);

  afterEach(async () => worker.stop(), TEST_TIMEOUT_MS);

  async function start(commandId: string, retry: DeviceCommandInput['retry'] = NO_RETRY): Promise<Told> {
    const input = inputOf(commandId, retry);
    expect(await workflows.start(input)).toBe('started');
    return new Told(input, workflows, client);
  }

  async function record(name: string, { handle }: Told): Promise<void> {
    if (!IS_RECORDING) return;
    const history: unknown = JSON.parse(JSON.stringify(await handle.fetchHistory()));
    await mkdir(HISTORIES, { recursive: true });
    await writeFile(`${HISTORIES}${name}.json`, JSON.stringify(history, withoutMachine, 2));
  }

  it(
    'ends with the last document, and did nothing for it',
    async () => {
      const command = await start('happy');
      await command.tellOrdered();
      const sent = await command.tell('SENT', { attempts: 1 });
      expect(await command.handle.query<CommandDocument>(COMMAND_QUERY)).toEqual(sent);
      const last = await command.tell('SUCCEEDED', { result: { ok: true } });
      expect(await command.handle.result()).toEqual(last);
      expect(await command.stateAttribute()).toBe('SUCCEEDED');
      expect(activities.calls).toEqual([]);
      await record('succeeded', command);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'asks the twin to cancel when it is cancelled, and is Cancelled when the twin says so',
    async () => {
      const command = await start('canceled');
      await command.tellOrdered();
      await command.handle.cancel();
      await until('the twin to be asked', () => activities.calls.length > 0);
      expect(activities.calls).toEqual([['cancelCommand', 'canceled', 'canceled in Temporal']]);
      expect((await command.handle.describe()).status.name).toBe('RUNNING');
      await command.tell('CANCELED');
      expect(await command.status()).toBe('CANCELLED');
      expect(await command.stateAttribute()).toBe('CANCELED');
      await record('canceled', command);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'has a command resent that was sent and not delivered, as often as it may',
    async () => {
      const command = await start('resent', ONE_QUICK_RETRY);
      await command.tell('SENT', { attempts: 2 });
      await until('it to be resent', () => activities.calls.length > 0);
      await command.tell('DELIVERED', { attempts: 3 });
      await command.tell('SUCCEEDED');
      expect(await command.status()).toBe('COMPLETED');
      expect(activities.calls).toEqual([['resendCommand', 'resent', 2]]);
      await record('resent', command);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is Failed when the twin refused it, so that it may be ordered again',
    async () => {
      const command = await start('refused');
      await command.tell('REJECTED', { reason: 'too many commands' });
      await expect(command.handle.result()).rejects.toMatchObject({
        cause: { type: 'TOO_MANY_COMMANDS', message: 'too many commands', nonRetryable: true },
      });
      expect(await command.status()).toBe('FAILED');
      await record('refused', command);
      expect(await workflows.start(command.input)).toBe('started');
      await client.workflow.getHandle(commandWorkflowId(command.input)).terminate();
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'takes no older word for a newer one, and is gone after its end',
    async () => {
      const command = await start('late');
      const queued = await command.tellOrdered();
      const sent = await command.tell('SENT', { attempts: 1 });
      await command.repeat(sent);
      await command.repeat(queued);
      expect(await command.handle.query<CommandDocument>(COMMAND_QUERY)).toEqual(sent);
      const last = await command.tell('SUCCEEDED');
      expect(await command.handle.result()).toEqual(last);
      for (const document of [last, sent]) {
        expect(await workflows.changed(command.input, JSON.stringify(document))).toBe('gone');
      }
      expect(await workflows.start(command.input)).toBe('exists');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is started again where Temporal knows nothing of it, with what its twin has said, and orders nothing',
    async () => {
      const command = new Told(inputOf('lost', ONE_QUICK_RETRY), workflows, client);
      const sent = command.say('SENT', { attempts: 1 });
      expect(await workflows.startAgain(command.input, JSON.stringify(sent))).toBe('runs');
      expect(await workflows.startAgain(command.input, JSON.stringify(sent))).toBe('runs');
      await until('it to be resent', () => activities.calls.length > 0);
      expect(await command.stateAttribute()).toBe('SENT');
      await command.tell('SUCCEEDED', { attempts: 2 });
      expect(await command.status()).toBe('COMPLETED');
      expect(activities.calls).toEqual([['resendCommand', 'lost', 1]]);
      // One that Temporal remembers stays as it ended, also by an operator's hand.
      expect(await workflows.startAgain(command.input, JSON.stringify(sent))).toBe('ended');
      const ended = await start('terminated');
      await ended.handle.terminate();
      expect(await workflows.startAgain(ended.input, JSON.stringify(sent))).toBe('ended');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'goes on where it was when its worker comes back',
    async () => {
      const command = await start('survivor');
      const sent = await command.tell('SENT', { attempts: 1 });
      expect(await command.handle.query<CommandDocument>(COMMAND_QUERY)).toEqual(sent);
      await worker.stop();
      await command.tell('DELIVERED');
      worker = await startWorker(server, activities);
      await until('the new worker to know both', async () => {
        const document = await command.handle.query<CommandDocument | null>(COMMAND_QUERY);
        return document?.state === 'DELIVERED';
      });
      const last = await command.tell('SUCCEEDED');
      expect(await command.handle.result()).toEqual(last);
      expect(activities.calls).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});

interface Change {
  readonly attempts?: number;
  readonly reason?: string;
  readonly result?: CommandDocument['result'];
}

/** One command whose twin this test is: each word holds all that was said before. */
class Told {
  readonly input: DeviceCommandInput;
  readonly handle: WorkflowHandle;
  readonly #workflows: TemporalCommandWorkflows;
  #document: CommandDocument;

  constructor(input: DeviceCommandInput, workflows: TemporalCommandWorkflows, client: Client) {
    const { commandId, method, deadlineMs } = input;
    const orderedAtMs = deadlineMs - DEADLINE_AFTER_MS;
    this.input = input;
    this.handle = client.workflow.getHandle(commandWorkflowId(input));
    this.#workflows = workflows;
    const order = { commandId, requestId: 1, method, orderedAtMs, deadlineMs, attempts: 0 };
    this.#document = { ...order, state: 'QUEUED', transitions: [{ state: 'QUEUED', atMs: orderedAtMs }] };
  }

  async tellOrdered(): Promise<CommandDocument> {
    await this.repeat(this.#document);
    return this.#document;
  }

  async tell(state: CommandState, change: Change = {}): Promise<CommandDocument> {
    const document = this.say(state, change);
    await this.repeat(document);
    return document;
  }

  /** What the twin says now, without a workflow that hears it. */
  say(state: CommandState, { attempts, reason, result }: Change = {}): CommandDocument {
    const known = this.#document;
    const transition = { state, atMs: known.orderedAtMs, ...(reason === undefined ? {} : { reason }) };
    this.#document = {
      ...known,
      state,
      transitions: [...known.transitions, transition],
      attempts: attempts ?? known.attempts,
      ...(result === undefined ? {} : { result }),
    };
    return this.#document;
  }

  async repeat(document: CommandDocument): Promise<void> {
    expect(await this.#workflows.changed(this.input, JSON.stringify(document))).toBe('told');
  }

  /** How the workflow ended. */
  async status(): Promise<string> {
    await this.handle.result().catch(() => undefined);
    return (await this.handle.describe()).status.name;
  }

  /** By what those who search in Temporal find it. */
  async stateAttribute(): Promise<unknown> {
    const { typedSearchAttributes } = await this.handle.describe();
    return typedSearchAttributes.getAll().find(({ key }) => key.name === 'CommandState')?.value;
  }
}

function inputOf(commandId: string, retry: DeviceCommandInput['retry']): DeviceCommandInput {
  return {
    version: 1,
    tenant: TENANT,
    device: DEVICE,
    incarnation: 1 as Incarnation,
    commandId,
    bodyDigest: 'digest',
    method: 'reboot',
    params: { delay: 1 },
    deadlineMs: Date.now() + DEADLINE_AFTER_MS,
    retry,
  };
}

function settingsOf({ address, namespace }: TemporalDevServer): ReturnType<typeof readTemporalWorkerSettings> {
  return readTemporalWorkerSettings({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
}

async function startWorker(server: TemporalDevServer, activities: CommandActivities): Promise<CommandWorker> {
  const worker = new CommandWorker({
    settings: settingsOf(server),
    activities,
    clock: systemClock,
    logger,
    sdkLogger,
  });
  worker.start();
  await until('the worker to be connected', () => worker.trouble === null);
  return worker;
}

/** Workers are named after their process and machine, which are nobody's business. */
function withoutMachine(_key: string, value: unknown): unknown {
  return typeof value === 'string' && PROCESS_AT_MACHINE.test(value) ? 'recorder' : value;
}
