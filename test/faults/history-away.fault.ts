import { describe, expect, it } from '@jest/globals';
import { type Installation, type LoadGenerator, PlatformClient } from '@breakwater/bench';

import type { CommandDevice } from '../src/command-device.ts';
import { CommandSteps, temporalProgram } from '../src/command-steps.ts';
import { openLoad } from '../src/open-load.ts';
import { patchTwin, pause, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { stopPart } from '../src/stop-part.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const MIB = 1024 * 1024;
/** All twins in one shard, and a lane that is full at once. */
const SMALL = {
  PARTITIONS: '1',
  LOG_TELEMETRY_BYTES_PER_PARTITION: String(MIB),
  LOG_TELEMETRY_RESERVE_BYTES_PER_PARTITION: String(MIB),
};
const EVENTS_PER_SECOND = 1_000;
const LOAD_SECONDS = 8;
/** More than a shard may have waiting of anything else. */
const REPORTS = 2_500;
/** Below the receive maximum of the gateway. */
const REPORTS_AT_ONCE = 10;
const QUIET_MS = 2_000;

/** The device says how far it is, again and again: each time its command has changed, and the history is to know. */
async function report(device: CommandDevice, commandId: string): Promise<void> {
  for (let sent = 0; sent < REPORTS; sent += 1) {
    device.publish(`v1/devices/me/commands/${commandId}/progress`, { percent: sent % 100, note: `step ${sent}` });
    if (sent % REPORTS_AT_ONCE === 0) await until('the reports to be taken', () => device.unacknowledged === 0);
  }
  await until('the last reports to be taken', () => device.unacknowledged === 0);
}

async function fill(installation: Installation): Promise<LoadGenerator> {
  const logins = await new PlatformClient(installation).registerDevices('filler', 10);
  const generator = await openLoad(installation, logins);
  await generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
  await until('the telemetry lane to be full', async () => {
    const before = generator.progress().acknowledged;
    await pause(QUIET_MS);
    return generator.unacknowledgedCount() > 0 && generator.progress().acknowledged === before;
  });
  return generator;
}

(temporalProgram() === undefined ? describe.skip : describe)(
  'a telemetry lane that is full for long (needs the Temporal CLI)',
  () => {
    let installation: Installation;
    let steps: CommandSteps;

    suiteInstallation(
      async (started) => {
        installation = started;
        steps = new CommandSteps(installation);
        await steps.ready();
      },
      { env: SMALL },
    );

    it(
      'stops neither commands nor PATCH of its shard, and nothing is missing in the history afterwards',
      async () => {
        const busy = (await steps.device('busy', { protocolVersion: 5 })).hold('progress').start();
        const other = (await steps.device('other', { protocolVersion: 5 })).start();
        await until('both to listen', () => busy.isListening && other.isListening);
        const goOn = await stopPart(installation, 'telemetry-writer');
        const filler = await fill(installation);
        await steps.orderSurely('busy-0', { commandId: 'long', method: 'update' });
        await steps.reaches('long', 'DELIVERED');
        await report(busy, 'long');
        await until('the last report to be known', async () => {
          const { progress } = await steps.command('long');
          return progress?.percent === (REPORTS - 1) % 100;
        });
        expect((await patchTwin(installation, 'other-0', { desired: { interval: 7 } })).status).toBe(200);
        await steps.orderSurely('other-0', { commandId: 'meanwhile', method: 'ping' });
        await steps.reaches('meanwhile', 'SUCCEEDED');
        expect(filler.unacknowledgedCount()).toBeGreaterThan(0);
        goOn();
        busy.release();
        await steps.reaches('long', 'SUCCEEDED');
        await until('every report to be in the history, once', async () => {
          const [row] = await steps.rows<{ readonly notes: string; readonly rows: string; readonly changes: string }>(
            `SELECT uniqExact(JSONExtractString(command, 'progress', 'note')) AS notes, count() AS rows,
               uniqExact(change_id) AS changes
             FROM command_history WHERE command_id = 'long' AND state = 'IN_PROGRESS'`,
          );
          if (Number(row?.notes) >= REPORTS && row?.rows === row?.changes) return true;
          throw new Error(JSON.stringify(row));
        });
        await until('every event to be acknowledged', () => filler.unacknowledgedCount() === 0);
      },
      TEST_TIMEOUT_MS,
    );
  },
);
