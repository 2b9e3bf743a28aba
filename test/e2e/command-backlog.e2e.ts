import { describe, expect, it } from '@jest/globals';
import { type Installation, PlatformClient } from '@breakwater/bench';

import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { openLoad } from '../src/open-load.ts';
import { CONDITION_TIMEOUT_MS, patchTwin, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { stopPart } from '../src/stop-part.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const BACKLOG = 60_000;
const EVENTS_PER_SECOND = 10_000;
const FILL_SECONDS = 3;
/** Small batches: the backlog lasts long, on fast machines too, against what a command takes. */
const SLOW = { TWIN_WORKERS: '1', WORKER_BATCH_RECORDS_MAX: '50' };
const COMMANDS = 5;

(temporalProgram() === undefined ? describe.skip : describe)(
  'a backlog of telemetry in front of the twins (needs the Temporal CLI)',
  () => {
    let installation: Installation;
    let steps: CommandSteps;

    suiteInstallation(
      async (started) => {
        installation = started;
        steps = new CommandSteps(installation);
        await steps.ready();
      },
      { env: SLOW },
    );

    it(
      'does not stand before commands and patches: they are through while most of it still waits',
      async () => {
        const client = new PlatformClient(installation);
        const device = (await steps.device('ordered', { protocolVersion: 5 })).start();
        await until('it to listen', () => device.isListening);
        await steps.orderSurely('ordered-0', { commandId: 'before', method: 'ping' });
        await steps.reaches('before', 'SUCCEEDED');
        const logins = await client.registerDevices('filler', 20);
        const generator = await openLoad(installation, logins);
        const goOn = await stopPart(installation, 'twin-worker-1');
        while ((await client.ledger()).twinLag < BACKLOG) {
          await generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: FILL_SECONDS }]);
          await generator.settle(CONDITION_TIMEOUT_MS);
        }
        goOn();
        const { telemetryApplied } = await client.ledger();
        await until('the twins to go on', async () => (await client.ledger()).telemetryApplied > telemetryApplied);
        for (let number = 0; number < COMMANDS; number += 1) {
          await steps.orderSurely('ordered-0', { commandId: `c${number}`, method: 'ping' });
          await steps.reaches(`c${number}`, 'SUCCEEDED');
        }
        expect((await patchTwin(installation, 'ordered-0', { desired: { interval: 3 } })).status).toBe(200);
        expect((await client.ledger()).twinLag).toBeGreaterThan(BACKLOG / 4);
      },
      TEST_TIMEOUT_MS,
    );
  },
);
