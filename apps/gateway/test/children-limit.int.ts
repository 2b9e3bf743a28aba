import type { DeviceId } from '@breakwater/twin';
import { DEFAULT_DEVICE_PROFILE } from '@breakwater/twin-runtime';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';

import { hashOfToken } from '../src/identity/device-tokens.ts';
import { type GatewayFixture, startFixture, TENANT, until } from './gateway-fixture.ts';

describe('the places for children of one gateway process', () => {
  let fixture: GatewayFixture;
  let hubs: MqttClient[] = [];

  afterEach(async () => {
    await Promise.all(hubs.map((hub) => hub.endAsync(true)));
    hubs = [];
    await fixture.stop();
  });

  async function connectHub(id: string): Promise<MqttClient> {
    const profile = { ...DEFAULT_DEVICE_PROFILE, isGateway: true };
    await fixture.registry.createDevice(TENANT, id as DeviceId, hashOfToken(`token-${id}`), 1, profile);
    const hub = await fixture.connect(id, { protocolVersion: 4 });
    hubs.push(hub);
    return hub;
  }

  const publish = (hub: MqttClient, child: string): Promise<unknown> =>
    hub.publishAsync('v1/gateway/telemetry', JSON.stringify({ [child]: [{ ts: 1, values: { n: 1 } }] }), { qos: 1 });
  const lettersOf = async (id: string): Promise<readonly unknown[]> =>
    (await fixture.recordsOf(id)).flatMap(({ message }) => (message.kind === 'deadLetter' ? [message.code] : []));

  it('are refused when all are taken, and free again when a connection ends', async () => {
    fixture = await startFixture({ settings: { childrenOpenTotalMax: 2 } });
    const [first, second] = [await connectHub('hub-1'), await connectHub('hub-2')];
    await publish(first, 'a');
    await publish(first, 'b');
    await publish(second, 'c');
    expect(await lettersOf('hub-2')).toEqual(['CHILDREN_LIMIT']);
    await first.endAsync();
    await until('there is room', async () => {
      await publish(second, 'c');
      return (await fixture.recordsOf('c')).some(({ message }) => message.kind === 'telemetry');
    });
  });
});
