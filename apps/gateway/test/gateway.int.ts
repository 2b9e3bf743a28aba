import { afterEach, describe, expect, it } from '@jest/globals';

import { type FixtureOptions, type GatewayFixture, startFixture, until } from './gateway-fixture.ts';

describe('gateway over real sockets', () => {
  const running: GatewayFixture[] = [];
  const start = async (options?: FixtureOptions): Promise<GatewayFixture> => {
    const fixture = await startFixture(options);
    running.push(fixture);
    return fixture;
  };
  afterEach(async () => {
    for (const fixture of running.splice(0)) await fixture.stop();
  });

  it.each([
    ['MQTT 3.1.1 over TCP', { protocolVersion: 4 } as const],
    ['MQTT 5 over TCP', { protocolVersion: 5 } as const],
    ['MQTT 5 over WebSocket', { protocolVersion: 5, webSocket: true } as const],
    ['MQTT 3.1.1 over WebSocket', { protocolVersion: 4, webSocket: true } as const],
  ])('takes telemetry over %s and says when it is durable', async (_, options) => {
    const gateway = await start();
    await gateway.addDevice('d1');
    const client = await gateway.connect('d1', options);
    for (const qos of [1, 2, 0] as const) {
      await client.publishAsync('v1/devices/me/telemetry', JSON.stringify({ temperature: qos }), { qos });
    }
    await until('three records', async () => (await gateway.records('telemetry')).length === 3);
    const records = await gateway.records('telemetry');
    expect(
      records.map(({ message }) => message.kind === 'telemetry' && message.points[0]?.values.get('temperature')),
    ).toEqual([1, 2, 0]);
    expect(records.every((record) => record.sessionEpoch === 1 && record.device === 'd1')).toBe(true);
    await client.endAsync();
    await until('the close', async () => (await gateway.records('control')).at(-1)?.message.kind === 'sessionClosed');
    expect((await gateway.records('control')).map(({ message }) => message.kind)).toEqual([
      'sessionOpened',
      'sessionClosed',
    ]);
  });

  it('refuses a wrong token and the id of another device', async () => {
    const gateway = await start();
    await gateway.addDevice('d1');
    await gateway.addDevice('d2');
    await expect(gateway.connect('d1', { password: 'wrong', username: 'wrong' })).rejects.toMatchObject({ code: 4 });
    await expect(gateway.connect('d1', { clientId: 'd2', protocolVersion: 5 })).rejects.toMatchObject({ code: 0x85 });
    const client = await gateway.connect('d1', {
      clientId: 'anything else',
      username: 'token-d1',
      // The token is the user name alone.
      password: '',
    });
    await client.endAsync();
  });

  it('answers what it cannot use with a reason, and keeps it', async () => {
    const gateway = await start();
    await gateway.addDevice('d1');
    const client = await gateway.connect('d1', { protocolVersion: 5 });
    const cases = [
      ['v1/devices/me/telemetry', '{"a":', 0x99],
      ['v1/devices/me/telemetry', '{"a b":1}', 0x99],
      ['v1/devices/me/nothing', '{}', 0x90],
      ['v1/devices/d2/telemetry', '{"a":1}', 0x87],
    ] as const;
    for (const [topic, payload, code] of cases) {
      await expect(client.publishAsync(topic, payload, { qos: 1 })).rejects.toMatchObject({ code });
    }
    await client.publishAsync('v1/devices/me/telemetry', '{"a":1}', { qos: 1 });
    const records = await gateway.records('telemetry');
    expect(records.map(({ message }) => (message.kind === 'deadLetter' ? message.code : message.kind))).toEqual([
      'PAYLOAD_MALFORMED',
      'TELEMETRY_KEY_INVALID',
      'TOPIC_UNKNOWN',
      'TOPIC_NOT_OWN',
      'telemetry',
    ]);
    await client.endAsync();
  });

  it('asks for the desired state after the SUBACK, in the control lane', async () => {
    const gateway = await start();
    await gateway.addDevice('d1');
    const client = await gateway.connect('d1');
    await client.subscribeAsync('v1/devices/me/twin/desired', { qos: 1 });
    await client.publishAsync('v1/devices/me/twin/reported', '{"$version":3,"fan":{"on":true}}', { qos: 1 });
    const records = await gateway.records('control');
    expect(records.map(({ message }) => message)).toEqual([
      expect.objectContaining({ kind: 'sessionOpened', protocol: 'mqtt3.1.1' }),
      { kind: 'desiredSubscribed' },
      { kind: 'reportState', patch: { fan: { on: true } }, expectedVersion: 3 },
    ]);
    await client.endAsync();
  });
});
