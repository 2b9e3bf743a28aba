import { describe, expect, it } from '@jest/globals';
import { Installation, PlatformClient } from '@breakwater/bench';

import { connectDevice } from '../src/connect-device.ts';
import { exactlyOnceUnderLoad } from '../src/exactly-once-under-load.ts';
import { collect, killPart, patchTwin, pause, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 40;
const EVENTS_PER_SECOND = 400;
const LOAD_SECONDS = 20;

describe('the event path, started as users start it', () => {
  let installation: Installation;
  let client: PlatformClient;

  const suite = suiteInstallation((started) => {
    installation = started;
    client = new PlatformClient(installation);
  });

  it.each([4, 5] as const)(
    'carries telemetry and desired over MQTT %d',
    async (protocolVersion) => {
      const id = `walker-${protocolVersion}`;
      const [login] = await client.registerDevices(id, 1);
      const username = login?.token ?? '';
      const options = { protocolVersion, username, clientId: `${id}-0`, reconnectPeriod: 0 };
      const device = await connectDevice(installation.mqttPort, options);
      const received = collect(device);
      await device.subscribeAsync('v1/devices/me/twin/#', { qos: 1 });
      await until('the full delta after the SUBACK', () =>
        received.some((message) => message.topic.endsWith('twin/desired')),
      );

      await device.publishAsync('v1/devices/me/telemetry', JSON.stringify({ temp: 21.5 }), { qos: 1 });
      await device.publishAsync('v1/devices/me/twin/reported', JSON.stringify({ fw: '1.0' }), { qos: 1 });
      await until('twin/reported/accepted', () =>
        received.some((message) => message.topic.endsWith('reported/accepted')),
      );
      await until(
        'the twin with its telemetry',
        async () => (await twinOf(client, `${id}-0`)).telemetry['temp']?.value === 21.5,
      );

      const patched = await patchTwin(installation, `${id}-0`, { desired: { interval: 5 } });
      expect(patched.status).toBe(200);
      expect(patched.headers.get('etag')).toBe('"1"');
      await until('the delta at the device', () =>
        received.some((message) => message.topic === 'v1/devices/me/twin/desired' && message.payload['interval'] === 5),
      );
      expect(await twinOf(client, `${id}-0`)).toMatchObject({
        desired: { interval: 5 },
        reported: { fw: '1.0' },
        delta: { interval: 5 },
        presence: { connected: true },
        version: 1,
      });
      await device.endAsync();
      await until('presence to be gone', async () => !(await twinOf(client, `${id}-0`)).presence.connected);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'loses and repeats nothing when a worker and the writer are killed under load',
    async () => {
      await exactlyOnceUnderLoad(installation, {
        devices: { prefix: 'storm', count: DEVICES },
        eventsPerSecond: EVENTS_PER_SECOND,
        seconds: LOAD_SECONDS,
        meanwhile: async () => {
          for (const part of ['twin-worker-1', 'telemetry-writer', 'twin-worker-2']) {
            await pause((LOAD_SECONDS * 1000) / 5);
            await killPart(installation, part);
            const answer = await patchTwin(installation, 'storm-0', { desired: { killed: part } });
            expect([200, 503, 504]).toContain(answer.status);
          }
        },
      });
      const patched = await patchTwin(installation, 'storm-0', { desired: { killed: 'none' } });
      expect(patched.status).toBe(200);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'continues where it was after a stop and a second start',
    async () => {
      const before = await twinOf(client, 'storm-1');
      expect(await installation.stop()).toBe(0);
      installation = await Installation.start({ dataDir: installation.dataDir });
      suite.replacedBy(installation);
      client = new PlatformClient(installation);
      const after = await twinOf(client, 'storm-1');
      expect(after.telemetry).toEqual(before.telemetry);
      const [login] = await client.registerDevices('second-life', 1);
      const device = await connectDevice(installation.mqttPort, { username: login?.token ?? '' });
      await device.publishAsync('v1/devices/me/telemetry', JSON.stringify({ alive: true }), { qos: 1 });
      await until(
        'the twin after the restart',
        async () => (await twinOf(client, 'second-life-0')).telemetry['alive']?.value === true,
      );
    },
    TEST_TIMEOUT_MS,
  );
});
