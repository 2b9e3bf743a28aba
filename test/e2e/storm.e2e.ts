import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditRows, auditTwins, measureSpike, readStormOptions, StormPlatform, stormResult } from '@breakwater/bench';

import { connectDevice } from '../src/connect-device.ts';
import { TEST_TIMEOUT_MS } from '../src/platform-steps.ts';

const FACTS = { hardware: '', system: '', versions: {} };
const FIRST_SEQ = 1_000_000;
const DEVICES = 4;

/** `npm run bench -- storm`, small enough for a test: its checks are worth something only if they see what is wrong. */
describe('the storm in miniature', () => {
  it(
    'is held, and says so in the fields of its JSON',
    async () => {
      const spike = await measureSpike({
        devices: 20,
        quietPerSecond: 20,
        quietSeconds: 1,
        spikePerSecond: 400,
        spikeSeconds: 4,
      });
      const run = { facts: FACTS, options: readStormOptions([]), date: '' };
      const result = JSON.parse(JSON.stringify(stormResult(run, { spike }))) as ReturnType<typeof stormResult>;
      expect(result.broken).toEqual([]);
      expect(result.spike).toMatchObject({ acknowledged: 1_640, lost: 0, duplicated: 0, wrongTwins: 0 });
      for (const field of ['pubackP99Ms', 'twinP99Ms', 'rowP99Ms', 'drainSeconds', 'cpuSecondsPerMillion'] as const) {
        expect(result.spike?.[field]).toBeGreaterThan(0);
      }
      expect(result.spike?.after.rows.stored).toBe(1_640);
    },
    TEST_TIMEOUT_MS,
  );

  describe('with planted faults', () => {
    let platform: StormPlatform;

    beforeAll(async () => {
      platform = await StormPlatform.start();
    }, TEST_TIMEOUT_MS);

    afterAll(() => platform?.stop(), TEST_TIMEOUT_MS);

    it(
      'sees a missing row, a repeated one and a wrong twin, and names them',
      async () => {
        const logins = await platform.openDevices('planted', DEVICES);
        await platform.generator.call('run', { eventsPerSecond: 100, seconds: 2 });
        const whole = await platform.checkAll([]);
        expect(whole.rows).toMatchObject({ acknowledged: 200, stored: 200, lost: 0, duplicated: 0, incomplete: 0 });
        expect(whole.twins).toMatchObject({ twins: DEVICES, wrongTwins: 0, falselyDisconnected: 0 });
        const outcomes = await platform.generator.call('outcomes');
        await platform.generator.call('close');

        const clickhouse = await platform.clickhouse();
        const event = (device: string, seq: number) => `device_id = '${device}' AND key = 'seq' AND value = ${seq}`;
        await clickhouse.command({
          query: `ALTER TABLE telemetry DELETE WHERE ${event('planted-0', FIRST_SEQ + 3)} SETTINGS mutations_sync = 2`,
        });
        await clickhouse.command({
          query: `INSERT INTO telemetry SELECT * FROM telemetry WHERE ${event('planted-1', FIRST_SEQ + 5)}`,
        });
        const rows = await auditRows(clickhouse, outcomes);
        expect(rows).toMatchObject({ acknowledged: 200, stored: 199, lost: 1, duplicated: 1, wrongRollups: 2 });
        expect(rows.examples.join('\n')).toContain(`planted-0 misses 1 acknowledged events: ${FIRST_SEQ + 3}`);
        expect(rows.examples.join('\n')).toContain(`${FIRST_SEQ + 5} is stored 2 times`);
        await clickhouse.close();

        const device = await connectDevice(platform.installation.mqttPort, {
          username: logins[2]?.token ?? '',
          clientId: 'planted-2',
        });
        await device.publishAsync('v1/devices/me/telemetry', JSON.stringify({ t: 99 }), { qos: 1 });
        await platform.drained();
        const twins = await auditTwins(platform.client, outcomes, false);
        expect(twins.wrongTwins).toBe(1);
        expect(twins.examples).toEqual([expect.stringContaining('planted-2')]);
      },
      TEST_TIMEOUT_MS,
    );
  });
});
