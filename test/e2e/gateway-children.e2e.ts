import { describe, expect, it } from '@jest/globals';
import { type Installation, PlatformClient } from '@breakwater/bench';
import type { MqttClient } from 'mqtt';

import { connectDevice } from '../src/connect-device.ts';
import { collect, killPart, patchTwin, TEST_TIMEOUT_MS, twinOf, until } from '../src/platform-steps.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const CHILDREN = ['room:1', 'room:2', 'room:3'];

describe('a gateway device with three children', () => {
  let installation: Installation;
  let client: PlatformClient;

  suiteInstallation((started) => {
    installation = started;
    client = new PlatformClient(installation);
  });

  const request = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${installation.url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${installation.key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return response.json();
  };
  const connectHub = (token: string): Promise<MqttClient> =>
    connectDevice(installation.mqttPort, { username: token, protocolVersion: 5, reconnectPeriod: 0 });
  const readings = (n: number): string => JSON.stringify(Object.fromEntries(CHILDREN.map((id) => [id, [{ n }]])));
  const send = (hub: MqttClient, n: number): Promise<unknown> =>
    hub.publishAsync('v1/gateway/telemetry', readings(n), { qos: 1, properties: { userProperties: { id: `m-${n}` } } });
  const storedOf = async (id: string): Promise<readonly number[]> => {
    const path = `devices/${encodeURIComponent(id)}/telemetry?key=n&limit=100`;
    const { items } = (await request('GET', path)) as { items: readonly { value: number }[] };
    return items.map(({ value }) => value).sort((one, other) => one - other);
  };

  it(
    'has three twins with what each said, is told their desired state, and loses and repeats nothing when it is cut off',
    async () => {
      const { token } = (await request('POST', 'devices', { id: 'hub', isGateway: true })) as { token: string };
      const hub = await connectHub(token);
      const received = collect(hub);
      await hub.subscribeAsync('v1/gateway/attributes', { qos: 1 });
      await send(hub, 1);
      const attributes = Object.fromEntries(CHILDREN.map((id, index) => [id, { floor: index }]));
      await hub.publishAsync('v1/gateway/attributes', JSON.stringify(attributes), { qos: 1 });
      for (const [index, id] of CHILDREN.entries()) {
        await until(`the twin of ${id}`, async () => {
          const { telemetry, reported, presence } = await twinOf(client, id);
          return telemetry['n']?.value === 1 && reported['floor'] === index && presence.connected;
        });
      }
      expect((await patchTwin(installation, 'room:2', { desired: { setpoint: 21.5 } })).status).toBe(200);
      await until('the desired state of room:2 at its gateway', () =>
        received.some(
          ({ topic, payload }) =>
            topic === 'v1/gateway/attributes' &&
            payload['device'] === 'room:2' &&
            (payload['data'] as Record<string, unknown>)['setpoint'] === 21.5,
        ),
      );
      expect(received.some(({ payload }) => payload['device'] !== 'room:2' && payload['setpoint'] === 21.5)).toBe(
        false,
      );

      await send(hub, 2);
      await killPart(installation, 'gateway');
      for (const id of CHILDREN) {
        await until(`${id} to be shown as disconnected`, async () => !(await twinOf(client, id)).presence.connected);
      }
      await until('the gateway to be back', async () => {
        const again = await connectHub(token);
        // What may have been lost is sent again, and something new.
        for (const n of [1, 2, 3]) await send(again, n);
        await again.endAsync();
        return true;
      });
      for (const id of CHILDREN) {
        await until(`all of ${id} to be stored`, async () => (await storedOf(id)).includes(3));
        expect(await storedOf(id)).toEqual([1, 2, 3]);
        await until(`${id} to be gone`, async () => !(await twinOf(client, id)).presence.connected);
      }
    },
    TEST_TIMEOUT_MS,
  );
});
