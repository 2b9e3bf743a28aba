import { describe, expect, it } from '@jest/globals';
import type { Installation } from '@breakwater/bench';

import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

/** Seven of them fill the room of a twin; the API does not see that, and starts a workflow for the eighth. */
const BLOB = 'x'.repeat(16_000);
const FITTING = 7;

(temporalProgram() === undefined ? describe.skip : describe)(
  'an order that its twin has no room for (needs the Temporal CLI)',
  () => {
    let installation: Installation;
    let steps: CommandSteps;

    suiteInstallation(async (started) => {
      installation = started;
      steps = new CommandSteps(installation);
      await steps.ready();
      await steps.request('POST', 'devices', { id: 'full' });
    });

    it(
      'is refused, its workflow has failed, and the same order is taken when there is room',
      async () => {
        const order = (at: number) =>
          steps.orderSurely('full', { method: 'store', params: { BLOB }, commandId: `c${at}`, timeoutSeconds: 600 });
        for (let at = 0; at < FITTING; at += 1) expect((await order(at)).status).toBe(202);
        // Twice, the second time perhaps before the first one's workflow has closed.
        for (let time = 0; time < 2; time += 1) {
          const { status, body } = await order(FITTING);
          expect({ status, code: body.code }).toEqual({ status: 429, code: 'TOO_MANY_COMMANDS' });
        }
        await steps.closes('full', `c${FITTING}`, 'REJECTED', 'Failed');
        expect((await steps.cancel('c0')).status).toBe(200);
        await until('the order to be taken', async () => (await order(FITTING)).status === 202);
        expect((await steps.command(`c${FITTING}`)).state).toBe('QUEUED');
        const query = `DeviceId="full" AND CommandState="QUEUED" AND ExecutionStatus="Running"`;
        await until('its workflow to run', async () =>
          (await steps.workflows(query)).includes(`cmd/default/full/c${FITTING}`),
        );
        for (let at = 1; at <= FITTING; at += 1) expect((await steps.cancel(`c${at}`)).status).toBe(200);
        await steps.closes('full', `c${FITTING}`, 'CANCELED');
      },
      TEST_TIMEOUT_MS,
    );
  },
);
