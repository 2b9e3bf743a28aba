import { afterEach, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';

import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';

let gateway: GatewayFixture;
let clients: MqttClient[] = [];

async function connect(id: string, protocolVersion: 4 | 5): Promise<MqttClient> {
  await gateway.addDevice(id);
  const client = await gateway.connect(id, { protocolVersion });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

function publish(client: MqttClient, qos: 0 | 1 = 1): Promise<unknown> {
  return client.publishAsync('v1/devices/me/telemetry', '{"temperature":21}', { qos }).catch(() => undefined);
}

const valueOf = async (line: string): Promise<number> => {
  const [found = ''] = await gateway.metric(`breakwater_${line}`);
  return Number(found.slice(found.lastIndexOf(' ') + 1));
};

afterEach(async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  clients = [];
  await gateway.stop();
});

describe.each([4, 5] as const)('a device over its rate, in version %d', (protocolVersion) => {
  it('is slowed, then disconnected, counted and named in the audit log', async () => {
    gateway = await startFixture({ settings: { publishesPerSecondMax: 20, overRateMsMax: 1_500 } });
    const [loud, quiet] = [await connect('loud', protocolVersion), await connect('quiet', protocolVersion)];
    let isClosed = false;
    let reasonCode: number | undefined;
    loud.on('disconnect', (packet) => (reasonCode = packet.reasonCode));
    loud.on('close', () => (isClosed = true));
    // As much on the way as it may have, always.
    const keepSending = async (): Promise<void> => {
      while (!isClosed) await publish(loud);
    };
    for (let sender = 0; sender < 20; sender++) void keepSending();
    await until('the loud device is closed', () => isClosed);
    expect(reasonCode).toBe(protocolVersion === 5 ? 0x96 : undefined);
    expect(await valueOf('mqtt_closes_total{reason="overRate",code="0x96"')).toBe(1);
    expect(await valueOf('mqtt_publishes_held_total{cause="device"')).toBeGreaterThan(0);
    expect(await valueOf('audit_events_total{event="publishRateExceeded"')).toBe(1);
    await publish(quiet);
    expect(quiet.connected).toBe(true);
    // Its next connection is as good as any.
    const again = await gateway.connect('loud', { protocolVersion });
    clients.push(again);
    await publish(again);
  });
});

describe('a tenant over its rate', () => {
  it('is slowed as a whole, nobody is disconnected, and what was acknowledged is in the log', async () => {
    gateway = await startFixture({ settings: { tenantPublishesPerSecondMax: 50, overRateMsMax: 500 } });
    const devices = await Promise.all(['a', 'b', 'c'].map((id) => connect(id, 4)));
    const acknowledged = devices.map(async (device) => {
      await Promise.all(Array.from({ length: 40 }, () => publish(device)));
      return device.connected;
    });
    expect(await Promise.all(acknowledged)).toEqual([true, true, true]);
    expect(await valueOf('mqtt_publishes_held_total{cause="tenant"')).toBeGreaterThan(0);
    expect((await gateway.records('telemetry')).length).toBe(120);
  });

  it('has its held QoS 0 counted as shed, with tenant and reason, when the connection ends', async () => {
    gateway = await startFixture({ settings: { tenantPublishesPerSecondMax: 1 } });
    const device = await connect('a', 4);
    for (let count = 0; count < 10; count++) await publish(device, 0);
    await until('messages are held', async () => (await valueOf('mqtt_publishes_held_total{cause="tenant"')) >= 8);
    await device.endAsync(true);
    const shed = 'shed_total{class="qos0",reason="rate",tenant="default"';
    await until('they are shed', async () => (await valueOf(shed)) >= 7);
  });
});
