import { type Installation, PlatformClient } from '@breakwater/bench';
import { describe, expect, it } from '@jest/globals';

import { connectDevice } from '../src/connect-device.ts';
import { MosquittoBroker, mosquittoAvailable } from '../src/mqtt-harness/differential/mosquitto-broker.ts';
import { TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

(mosquittoAvailable() ? describe : describe.skip)('npm start beside another broker (needs mosquitto)', () => {
  let broker: MosquittoBroker;
  let installation: Installation;

  suiteInstallation(
    (started) => {
      installation = started;
    },
    {
      env: async (opened) => {
        broker = opened.adopt(await MosquittoBroker.start(), (started) => started.stop());
        return { BRIDGE_URL: `mqtt://127.0.0.1:${broker.port}`, EMBEDDED_TEMPORAL: 'off' };
      },
    },
  );

  it(
    'has what its devices say there in their twins, as a part of its own',
    async () => {
      const client = new PlatformClient(installation);
      await client.registerDevices('pump', 1);
      const device = await connectDevice(broker.port, {});
      // Who publishes before the bridge has subscribed is heard by nobody.
      await until('the telemetry in the twin', async () => {
        await device.publishAsync('default/pump-0/telemetry', '{"pressure":4}', { qos: 1 });
        return (await twinOf(client, 'pump-0')).telemetry['pressure']?.value === 4;
      });
      await device.publishAsync('default/pump-0/twin/reported', '{"on":true}', { qos: 1 });
      await until('the reported state', async () => (await twinOf(client, 'pump-0')).reported['on'] === true);
      expect([...(await installation.parts()).keys()]).toEqual(expect.arrayContaining(['gateway', 'bridge']));
    },
    TEST_TIMEOUT_MS,
  );
});
