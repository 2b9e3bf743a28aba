import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DeviceId, TenantId } from '@breakwater/twin';

import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';
import { hashOfToken } from '../src/identity/device-tokens.ts';

/** Of the attacker: `attacker` of the tenant `default`. The others are its neighbour, and devices of another tenant. */
const ATTACKER = 'attacker';
const OWNERS = ['victim', 'other-tenant-device', 'nobody', 'ATTACKER', 'attacker2', 'Me', 'me2', '..', '', '+', '#'];
const TAILS = [
  'telemetry',
  'attributes',
  'twin/reported',
  'twin/get',
  'twin/desired',
  'status',
  'events/alarm',
  'commands/c1/request',
  'commands/c1/response',
];
const STRAY_TOPICS = [
  'v1',
  'v1/devices',
  'v1/devices/',
  '/',
  '$SYS/broker/uptime',
  'v1/gateway2/telemetry',
  'v2/devices/me/x',
];
const WIDE_FILTERS = [
  '#',
  '+',
  '+/#',
  '+/+',
  '+/+/+/#',
  '/#',
  'v1/#',
  'v1/+',
  'v1/devices/#',
  'v1/devices/+',
  'v1/devices/+/#',
  'v1/devices/+/telemetry',
  'v1/devices/+/twin/desired',
  'v1/+/me/#',
  '+/devices/me/#',
  '$SYS/#',
  'v1/devices/me',
  'V1/devices/me/#',
];

const isName = (topic: string): boolean => !/[+#]/.test(topic);
const foreignTopics = OWNERS.flatMap((owner) => TAILS.map((tail) => `v1/devices/${owner}/${tail}`));
const publishes = [...foreignTopics.filter(isName), ...STRAY_TOPICS];
const plainFilters = [
  ...foreignTopics.filter((filter) => !filter.includes('#')),
  ...OWNERS.filter(isName).map((owner) => `v1/devices/${owner}/#`),
  ...WIDE_FILTERS,
];
const filters = [...plainFilters, ...plainFilters.map((filter) => `$share/x/${filter}`), '$share/x/v1/devices/me/#'];

describe("other devices' and tenants' topics", () => {
  let gateway: GatewayFixture;
  beforeAll(async () => {
    gateway = await startFixture({
      settings: { flappingClosesMax: 0, deviceConnectsPerMinuteMax: 0, subscribesPerMinuteMax: 1_000_000 },
    });
    for (const id of [ATTACKER, 'victim']) await gateway.addDevice(id);
    const other = 'other-tenant-device' as DeviceId;
    await gateway.registry.createDevice('acme' as TenantId, other, hashOfToken(`token-${other}`), 1);
    await gateway.registry.createDevice('acme' as TenantId, ATTACKER as DeviceId, hashOfToken('token-namesake'), 1);
  });
  afterAll(() => gateway.stop());

  it(`are many: ${2 * (publishes.length + filters.length)} cases`, () => {
    expect(2 * (publishes.length + filters.length)).toBeGreaterThanOrEqual(200);
  });

  it('cannot be published to on MQTT 5: each is refused in its PUBACK', async () => {
    const client = await RawClient.open(gateway.ports.mqtt, ATTACKER, 5);
    for (const [at, topic] of publishes.entries()) {
      client.publish(at + 1, '{"a":1}', { topic });
      await client.acknowledgements(at + 1);
      const answer = client.packets.find(({ cmd, messageId }) => cmd === 'puback' && messageId === at + 1);
      const code = answer?.cmd === 'puback' ? (answer.reasonCode ?? 0) : 0;
      expect([topic, code >= 0x80]).toEqual([topic, true]);
    }
    expect(client.closed).toBe(false);
    client.drop();
  });

  it('cannot be published to on 3.1.1: those of a device end the connection, others become dead letters', async () => {
    for (const [at, topic] of publishes.entries()) {
      const client = await RawClient.open(gateway.ports.mqtt, ATTACKER);
      client.publish(at + 1, '{"a":1}', { topic });
      await until(`an answer to ${topic}`, () => client.closed || client.acknowledged().length > 0);
      if (foreignTopics.includes(topic)) expect([topic, client.closed]).toEqual([topic, true]);
      client.drop();
    }
  });

  it.each([4, 5] as const)('cannot be subscribed to on version %s', async (version) => {
    const client = await RawClient.open(gateway.ports.mqtt, ATTACKER, version);
    for (const [at, topic] of filters.entries()) {
      client.send({ cmd: 'subscribe', messageId: at + 1, subscriptions: [{ topic, qos: 1 }] });
    }
    const granted = (): readonly (readonly [number, number])[] =>
      client.packets.flatMap((packet) =>
        packet.cmd === 'suback' ? [[packet.messageId ?? 0, packet.granted[0] as number] as const] : [],
      );
    await until('every SUBACK', () => client.closed || granted().length === filters.length);
    const leaks = granted().filter(([, code]) => code < 0x80);
    expect(leaks.map(([messageId]) => filters[messageId - 1])).toEqual([]);
    expect(client.closed).toBe(false);
    client.drop();
  });

  it('left nothing behind: only dead letters, under the name of who sent them', async () => {
    for (const lane of ['control', 'telemetry'] as const) {
      for (const record of await gateway.records(lane)) {
        expect([record.tenant, record.device]).toEqual(['default', ATTACKER]);
        expect(['deadLetter', 'sessionOpened', 'sessionClosed']).toContain(record.message.kind);
      }
    }
  });
});
