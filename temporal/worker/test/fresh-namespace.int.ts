import { TemporalCommandWorkflows } from '@breakwater/adapter-temporal';
import { createLogger } from '@breakwater/observability';
import type { DeviceId, Incarnation, TenantId } from '@breakwater/twin';
import { systemClock } from '@breakwater/twin-runtime';
import type { DeviceCommandInput } from '@breakwater/wire';
import type { CommandActivities } from '@breakwater/workflows';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { CommandWorker } from '../src/command-worker.ts';
import { readTemporalWorkerSettings } from '../src/read-temporal-worker-settings.ts';
import { installSdkLogger } from '../src/sdk-logger.ts';
import { findTemporalProgram, TemporalDevServer } from './temporal-dev-server.ts';
import { until } from './until.ts';

const TEST_TIMEOUT_MS = 180_000;
const NAMESPACE = 'nobody-made-it';
const program = findTemporalProgram();
const describeWithTemporal = program === undefined && process.env['CI'] !== 'true' ? describe.skip : describe;

const input: DeviceCommandInput = {
  version: 1,
  tenant: 'default' as TenantId,
  device: 'pump-1' as DeviceId,
  incarnation: 1 as Incarnation,
  commandId: 'first',
  bodyDigest: 'digest',
  method: 'reboot',
  deadlineMs: Date.now() + 3_600_000,
  retry: { attempts: 1, initialMs: 1_000, maxMs: 1_000 },
};

describeWithTemporal('a Temporal that nobody prepared (needs its CLI)', () => {
  let server: TemporalDevServer;

  beforeAll(async () => {
    if (program === undefined) throw new Error('the program `temporal` is missing, and here it must not be');
    server = await TemporalDevServer.start(program);
  }, TEST_TIMEOUT_MS);

  afterAll(async () => server?.stop(), TEST_TIMEOUT_MS);

  it(
    'is given its namespace and the search attributes by the worker of commands, and then takes commands',
    async () => {
      const env = { TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: NAMESPACE, TEMPORAL_RETENTION_DAYS: '3' };
      const settings = readTemporalWorkerSettings(env);
      const workflows = new TemporalCommandWorkflows(settings);
      await expect(workflows.start(input)).rejects.toMatchObject({ code: 'COMMANDS_UNAVAILABLE' });
      const logger = createLogger('temporal-worker', 'silent');
      const sdkLogger = installSdkLogger(logger);
      const worker = new CommandWorker({
        settings,
        activities: {} as CommandActivities,
        clock: systemClock,
        logger,
        sdkLogger,
      });
      worker.start();
      try {
        await until('the worker to have prepared it', () => worker.trouble === null);
        await until('commands to be taken', async () => {
          // Servers take a while to notice a new namespace and its attributes.
          const started = await workflows.start(input).catch(() => null);
          return started !== null;
        });
      } finally {
        await worker.stop();
        await workflows.close();
      }
    },
    TEST_TIMEOUT_MS,
  );
});
