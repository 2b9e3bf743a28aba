import { Installation, PlatformClient } from '@breakwater/bench';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectAsync } from 'mqtt';

import { MosquittoBroker, mosquittoAvailable } from '../src/mqtt-harness/differential/mosquitto-broker.ts';
import { TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';

(mosquittoAvailable() ? describe : describe.skip)('npm start beside another broker (needs mosquitto)', () => {
  let broker: MosquittoBroker;
  let installation: Installation | null = null;

  beforeAll(async () => {
    broker = await MosquittoBroker.start();
    const BRIDGE_URL = `mqtt://127.0.0.1:${broker.port}`;
    installation = await Installation.start({ env: { BRIDGE_URL, EMBEDDED_TEMPORAL: 'off' } });
  }, TEST_TIMEOUT_MS);
  afterAll(async () => {
    const code = await installation?.stop();
    await installation?.remove();
    await broker.stop();
    expect(code).toBe(0);
  }, TEST_TIMEOUT_MS);

  it(
    'has what its devices say there in their twins, as a part of its own',
    async () => {
      const client = new PlatformClient(installation!);
      await client.registerDevices('pump', 1);
      const device = await connectAsync(`mqtt://127.0.0.1:${broker.port}`);
      // Who publishes before the bridge has subscribed is heard by nobody.
      await until('the telemetry in the twin', async () => {
        await device.publishAsync('default/pump-0/telemetry', '{"pressure":4}', { qos: 1 });
        return (await twinOf(client, 'pump-0')).telemetry['pressure']?.value === 4;
      });
      await device.publishAsync('default/pump-0/twin/reported', '{"on":true}', { qos: 1 });
      await until('the reported state', async () => (await twinOf(client, 'pump-0')).reported['on'] === true);
      await device.endAsync();
      expect([...(await installation!.parts()).keys()]).toEqual(expect.arrayContaining(['gateway', 'bridge']));
    },
    TEST_TIMEOUT_MS,
  );
});
