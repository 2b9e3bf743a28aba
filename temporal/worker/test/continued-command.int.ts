import { TemporalCommandWorkflows } from '@breakwater/adapter-temporal';
import { createLogger } from '@breakwater/observability';
import type { DeviceId, Incarnation, TenantId } from '@breakwater/twin';
import { systemClock } from '@breakwater/twin-runtime';
import { COMMAND_QUERY, type CommandDocument, commandWorkflowId, type DeviceCommandInput } from '@breakwater/wire';
import type { CommandActivities } from '@breakwater/workflows';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { CommandWorker } from '../src/command-worker.ts';
import { readTemporalWorkerSettings } from '../src/read-temporal-worker-settings.ts';
import { installSdkLogger } from '../src/sdk-logger.ts';
import { findTemporalProgram, TemporalDevServer } from './temporal-dev-server.ts';
import { until } from './until.ts';

const TEST_TIMEOUT_MS = 180_000;
/** A run is long after so many events; by default it takes 4,096. */
const SHORT_RUNS = ['limit.historyCount.suggestContinueAsNew=20'];
const WORDS_MAX = 40;
const program = findTemporalProgram();
const describeWithTemporal = program === undefined && process.env['CI'] !== 'true' ? describe.skip : describe;

const input: DeviceCommandInput = {
  version: 1,
  tenant: 'default' as TenantId,
  device: 'pump-1' as DeviceId,
  incarnation: 1 as Incarnation,
  commandId: 'long',
  bodyDigest: 'digest',
  method: 'update',
  deadlineMs: Date.now() + 3_600_000,
  retry: { attempts: 1, initialMs: 60_000, maxMs: 60_000 },
};

function documentOf(percent: number): CommandDocument {
  const { commandId, method, deadlineMs } = input;
  const orderedAtMs = deadlineMs - 3_600_000;
  const transitions = (['QUEUED', 'SENT', 'IN_PROGRESS'] as const).map((state) => ({ state, atMs: orderedAtMs }));
  const command = { commandId, requestId: 1, method, orderedAtMs, deadlineMs, attempts: 1, transitions };
  return { ...command, state: 'IN_PROGRESS', progress: { percent } };
}

describeWithTemporal('a command that goes on for longer than one run may be (needs the Temporal CLI)', () => {
  let server: TemporalDevServer;
  let connection: Connection;

  beforeAll(async () => {
    if (program === undefined) throw new Error('the program `temporal` is missing, and here it must not be');
    server = await TemporalDevServer.start(program, SHORT_RUNS);
    connection = await Connection.connect({ address: server.address });
  }, TEST_TIMEOUT_MS);

  afterAll(async () => {
    await connection?.close();
    await server?.stop();
  }, TEST_TIMEOUT_MS);

  it(
    'is continued in another run, which knows what the first one knew, and ends there',
    async () => {
      const env = { TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: server.namespace };
      const settings = readTemporalWorkerSettings(env);
      const logger = createLogger('temporal-worker', 'silent');
      const orders: string[] = [];
      const activities = {
        orderCommand: async ({ commandId }: DeviceCommandInput) => void orders.push(commandId),
        checkCommand: async ({ commandId }: DeviceCommandInput) => void orders.push(commandId),
      } as unknown as CommandActivities;
      const sdkLogger = installSdkLogger(logger);
      const worker = new CommandWorker({ settings, activities, clock: systemClock, logger, sdkLogger });
      const workflows = new TemporalCommandWorkflows(settings);
      const handle = new Client({ connection, namespace: server.namespace }).workflow.getHandle(
        commandWorkflowId(input),
      );
      worker.start();
      try {
        await until('the worker to be connected', () => worker.trouble === null);
        await workflows.start(input);
        const { runId } = await handle.describe();
        let told = documentOf(0);
        let isContinued = false;
        for (let percent = 1; percent <= WORDS_MAX && !isContinued; percent += 1) {
          told = documentOf(percent);
          expect(await workflows.changed(input, JSON.stringify(told))).toBe('told');
          await until('the word to be heard', async () => {
            const heard = await handle.query<CommandDocument | null>(COMMAND_QUERY).catch(() => null);
            return heard?.progress?.percent === percent;
          });
          isContinued = (await handle.describe()).runId !== runId;
        }
        expect(isContinued).toBe(true);
        expect(await handle.query(COMMAND_QUERY)).toEqual(told);
        const end = { state: 'SUCCEEDED', atMs: told.orderedAtMs } as const;
        const last = { ...told, state: end.state, transitions: [...told.transitions, end] };
        expect(await workflows.changed(input, JSON.stringify(last))).toBe('told');
        expect(await handle.result()).toEqual(last);
        expect(orders).toEqual([]);
      } finally {
        await worker.stop();
        await workflows.close();
      }
    },
    TEST_TIMEOUT_MS,
  );
});
