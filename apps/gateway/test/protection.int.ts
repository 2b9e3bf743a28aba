import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

const BANNED = { 4: 5, 5: 0x8a } as const;
const TOO_OFTEN = { 4: 3, 5: 0x9f } as const;
const BAD_CREDENTIALS = 0x86;
const POLL_MS = 20;

async function counted(gateway: GatewayFixture, name: string): Promise<number> {
  const text = await gateway.metrics.text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`breakwater_${name}`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** Every device connects from one address here, as behind a NAT. */
describe('a protected gateway', () => {
  const gateways: GatewayFixture[] = [];
  let gateway: GatewayFixture;
  beforeEach(() => {
    gateways.length = 0;
  });
  afterEach(async () => {
    for (const each of gateways) await each.stop();
  });
  const start = async (settings: Parameters<typeof startFixture>[0] = {}): Promise<void> => {
    gateway = await startFixture({ settings: { bansPollMs: POLL_MS, ...settings.settings } });
    gateways.push(gateway);
  };
  const another = async (): Promise<GatewayFixture> => {
    const next = await gateway.another();
    gateways.push(next);
    return next;
  };

  it('refuses 1,000 bad tokens by ten look-ups, and those who were here before still get in', async () => {
    await start();
    await gateway.addDevice('good');
    await gateway.addDevice('stranger');
    const before = await RawClient.open(gateway.ports.mqtt, 'good');
    const lookUps = jest.spyOn(gateway.registry, 'deviceOfToken');
    const codes = new Map<number | null, number>();
    for (let at = 0; at < 1_000; at += 1) {
      const client = await RawClient.openAs(gateway.ports.mqtt, {
        clientId: `c${at}`,
        protocolVersion: 5,
        username: '',
        password: Buffer.from(`bad-${at}`),
      });
      codes.set(client.connackCode, (codes.get(client.connackCode) ?? 0) + 1);
    }
    expect(Object.fromEntries(codes)).toEqual({ [BAD_CREDENTIALS]: 10, [BANNED[5]]: 990 });
    // The session of `good` is looked up again now and then, by its own token.
    const guessed = lookUps.mock.calls.length;
    expect(guessed).toBeLessThan(100);
    expect(await counted(gateway, 'audit_events_total{event="addressBanned"')).toBe(1);
    expect(await counted(gateway, 'audit_events_total{event="bannedRefused"')).toBe(990);
    expect((await RawClient.open(gateway.ports.mqtt, 'stranger')).connackCode).toBe(BANNED[4]);
    const again = await RawClient.open(gateway.ports.mqtt, 'good');
    expect(again.accepted).toBe(true);
    before.drop();
    again.drop();
    const [ban] = (await gateway.bans.read(null))?.bans ?? [];
    expect(ban?.id).toBe('address:127.0.0.1');
    await gateway.bans.lift(ban?.id ?? '');
    await until('the address to be free', async () => (await RawClient.open(gateway.ports.mqtt, 'stranger')).accepted);
  });

  it('holds one device to its rate, and no other', async () => {
    await start({ settings: { deviceConnectsPerMinuteMax: 5 } });
    for (const id of ['eager', 'calm']) await gateway.addDevice(id);
    for (let count = 0; count < 5; count += 1) {
      expect((await RawClient.open(gateway.ports.mqtt, 'eager')).accepted).toBe(true);
    }
    for (const version of [4, 5] as const) {
      expect((await RawClient.open(gateway.ports.mqtt, 'eager', version)).connackCode).toBe(TOO_OFTEN[version]);
    }
    expect((await RawClient.open(gateway.ports.mqtt, 'calm')).accepted).toBe(true);
    expect(await counted(gateway, 'mqtt_connects_total{result="0x9f"')).toBe(2);
  });

  it('bans nobody for what it does itself: takeover, revocation, drain', async () => {
    // One close that counts would be a ban.
    await start({ settings: { flappingClosesMax: 1, tokenRechecksPerSecond: 10_000 } });
    for (const id of ['taken', 'revoked', 'drained', 'polite']) await gateway.addDevice(id);
    const first = await RawClient.open(gateway.ports.mqtt, 'taken');
    const second = await RawClient.open(gateway.ports.mqtt, 'taken');
    await until('the takeover', () => first.closed);
    const revoked = await RawClient.open(gateway.ports.mqtt, 'revoked');
    await gateway.registry.deleteDevice('default' as never, 'revoked' as never);
    await until('the revocation', () => revoked.closed);
    const polite = await RawClient.open(gateway.ports.mqtt, 'polite');
    polite.send({ cmd: 'disconnect' });
    await until('the polite end', () => polite.closed);
    const drained = await RawClient.open(gateway.ports.mqtt, 'drained');
    const other = await another();
    await gateway.stop();
    await until('the drain', () => drained.closed && second.closed);
    // The bans of the stopped gateway would be in the list, or in the memory of nobody.
    expect((await other.bans.read(null))?.bans).toEqual([]);
    for (const id of ['taken', 'drained', 'polite']) {
      expect([id, (await RawClient.open(other.ports.mqtt, id)).accepted]).toEqual([id, true]);
    }
    expect(await counted(gateway, 'audit_events_total{event="flapping"')).toBe(0);
    expect(await counted(gateway, 'audit_events_total{event="sessionRevoked"')).toBe(1);
  });

  it('bans a device for protocol errors and for silence as for lost connections', async () => {
    await start({ settings: { flappingClosesMax: 2 } });
    for (const id of ['broken', 'foreign', 'lost']) await gateway.addDevice(id);
    const ends: Record<string, (client: RawClient) => void> = {
      broken: (client) => client.sendBytes(Buffer.from([0x00, 0x00])),
      foreign: (client) => client.publish(1, '{}', { topic: 'v1/devices/lost/telemetry' }),
      lost: (client) => client.drop(),
    };
    for (const [id, end] of Object.entries(ends)) {
      for (let time = 0; time < 2; time += 1) {
        const client = await RawClient.open(gateway.ports.mqtt, id);
        expect([id, client.accepted]).toEqual([id, true]);
        end(client);
        await until(`the end of ${id}`, () => client.closed);
      }
      await until(
        `the ban of ${id}`,
        async () => (await RawClient.open(gateway.ports.mqtt, id)).connackCode === BANNED[4],
      );
    }
    expect(await counted(gateway, 'audit_events_total{event="foreignTopicPublished"')).toBe(2);
    await until('three bans in the list', async () => (await gateway.bans.read(null))?.bans.length === 3);
    expect(await counted(gateway, 'mqtt_closes_total{reason="protocolError",code="0x87"')).toBe(2);
  });

  it('refuses SUBSCRIBE past its rate and goes on with the connection', async () => {
    await start({ settings: { subscribesPerMinuteMax: 2 } });
    await gateway.addDevice('eager');
    const client = await RawClient.open(gateway.ports.mqtt, 'eager', 5);
    for (let messageId = 1; messageId <= 3; messageId += 1) {
      client.send({ cmd: 'subscribe', messageId, subscriptions: [{ topic: 'v1/devices/me/twin/desired', qos: 1 }] });
    }
    client.publish(1, '{"a":1}');
    await client.acknowledgements(1);
    const granted = client.packets.flatMap((packet) => (packet.cmd === 'suback' ? [packet.granted] : []));
    expect(granted).toEqual([[1], [1], [0x97]]);
    expect(await counted(gateway, 'mqtt_filters_refused_total{code="0x97"')).toBe(1);
    client.drop();
  });
});
