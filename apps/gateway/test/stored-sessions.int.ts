import { afterEach, describe, expect, it } from '@jest/globals';
import type { DeviceId, Epoch, SessionEpoch } from '@breakwater/twin';
import type { Downlink } from '@breakwater/twin-runtime';

import { hashOfToken } from '../src/identity/device-tokens.ts';
import {
  type FixtureOptions,
  type GatewayFixture,
  partitionOfDevice,
  recordsOfLane,
  startFixture,
  TENANT,
  until,
} from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

const KEPT = { protocolVersion: 5, clean: false, properties: { sessionExpiryInterval: 3_600 } } as const;
const KEPT_311 = { protocolVersion: 4, clean: false } as const;
const DESIRED = { topic: 'v1/devices/me/twin/desired', qos: 1 as const };
const COMMANDS = { ...DESIRED, topic: 'v1/devices/me/commands/+/request' };

describe('stored sessions', () => {
  const running: GatewayFixture[] = [];
  const start = async (options?: FixtureOptions): Promise<GatewayFixture> => {
    const fixture = await startFixture(options);
    running.push(fixture);
    return fixture;
  };
  const startTwo = async (options?: FixtureOptions): Promise<readonly [GatewayFixture, GatewayFixture]> => {
    const one = await start(options);
    const two = await one.another();
    running.push(two);
    return [one, two];
  };
  afterEach(async () => {
    for (const fixture of running.splice(0)) await fixture.stop();
  });
  const controlOf = async (gateway: GatewayFixture): Promise<readonly string[]> =>
    (await gateway.records('control')).map(({ message, sessionEpoch }) => `${sessionEpoch} ${message.kind}`);
  const archived = async (gateway: GatewayFixture, write: string): Promise<void> =>
    until(`${write}`, () => gateway.archiveWrites.includes(write));
  const subscribe = async (client: RawClient, more: readonly (typeof DESIRED)[] = []): Promise<void> => {
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [DESIRED, ...more] });
    await client.hears('suback 1');
  };
  const leaves = async (gateway: GatewayFixture, client: RawClient, epoch: number): Promise<void> => {
    client.drop();
    await until('its end in the log', async () => (await controlOf(gateway)).includes(`${epoch} sessionClosed`));
  };
  const sendDown = async (gateway: GatewayFixture, more: Partial<Downlink> = {}): Promise<void> => {
    const key = `${TENANT}/d1` as never;
    const partition = partitionOfDevice(key);
    const [entry] = await gateway.directory.find(partition, [key]);
    const target = { partition, key, epoch: '5:abc' as Epoch, sessionEpoch: entry?.sessionEpoch as SessionEpoch };
    const content = { outboxId: 'a', twinVersion: 3, topic: 'twin/desired', qos: 1, payload: '{"fan":1}' } as const;
    const downlink = { ...target, ...content, ...more };
    await gateway.downlinks.send(entry?.gatewayId ?? '', [{ kind: 'downlink', downlink }]);
  };

  it.each([
    ['MQTT 5', KEPT],
    ['MQTT 3.1.1', KEPT_311],
  ])('of %s go on at another gateway, where the whole desired state is asked for', async (_, connect) => {
    const [one, two] = await startTwo();
    await one.addDevice('d1');
    const first = await RawClient.connect(one.ports.mqtt, 'd1', connect);
    expect(first.sessionPresent).toBe(false);
    await subscribe(first);
    await leaves(one, first, 1);
    const second = await RawClient.connect(two.ports.mqtt, 'd1', connect);
    expect(second.sessionPresent).toBe(true);
    await until('the request', async () => (await controlOf(one)).length === 5);
    expect(await controlOf(one)).toEqual([
      '1 sessionOpened',
      '1 desiredSubscribed',
      '1 sessionClosed',
      '2 sessionOpened',
      '2 desiredSubscribed',
    ]);
    await leaves(one, second, 2);
    // The first gateway still has what it had, and must not go on from that.
    const third = await RawClient.connect(one.ports.mqtt, 'd1', { ...connect, clean: true });
    expect(third.sessionPresent).toBe(false);
    third.drop();
  });

  it('that end with their connection are never written', async () => {
    const gateway = await start();
    await gateway.addDevice('d1');
    for (const epoch of [1, 2]) {
      const client = await RawClient.connect(gateway.ports.mqtt, 'd1', { protocolVersion: 5 });
      await subscribe(client);
      client.publish(2, '{"a":1}', { qos: 2 });
      await client.hears('pubrec 2');
      await leaves(gateway, client, epoch);
    }
    expect(gateway.archiveWrites).toEqual([]);
  });

  it('are taken over: the older connection is closed, and what it still says means nothing', async () => {
    const [one, two] = await startTwo();
    await one.addDevice('d1');
    const first = await RawClient.connect(one.ports.mqtt, 'd1', KEPT);
    await subscribe(first);
    await sendDown(one);
    await first.hears('publish 1');
    const second = await RawClient.connect(two.ports.mqtt, 'd1', KEPT);
    expect(second.sessionPresent).toBe(true);
    await second.hears('publish 1 dup');
    first.send({ cmd: 'puback', messageId: 1 });
    await until('the close', () => first.closed);
    expect(first.heard().at(-1)).toBe('disconnect 0x8e');
    second.drop();
    await until('its end', async () => (await controlOf(one)).includes('2 sessionClosed'));
    const third = await RawClient.connect(two.ports.mqtt, 'd1', KEPT);
    await third.hears('publish 1 dup');
    third.send({ cmd: 'puback', messageId: 1 });
    third.drop();
  });

  it('are not those of the next life of the device', async () => {
    const [one, two] = await startTwo({ settings: { tokenRechecksPerSecond: 0 } });
    await one.addDevice('d1');
    const first = await RawClient.connect(one.ports.mqtt, 'd1', KEPT);
    await subscribe(first);
    await sendDown(one);
    await first.hears('publish 1');
    await one.registry.deleteDevice(TENANT, 'd1' as DeviceId);
    await one.registry.createDevice(TENANT, 'd1' as DeviceId, hashOfToken('next'), 1);
    const nextLife = { ...KEPT, password: Buffer.from('next') };
    // Nobody told this gateway that the older life is over.
    const next = await RawClient.connect(one.ports.mqtt, 'd1', nextLife);
    expect(next.sessionPresent).toBe(false);
    await until('the older life to be off', () => first.closed);
    await archived(one, 'save default/d1 2');
    next.drop();
    await until('its end', async () => (await controlOf(one)).includes('2 sessionClosed'));
    const elsewhere = await RawClient.connect(two.ports.mqtt, 'd1', nextLife);
    expect(elsewhere.sessionPresent).toBe(true);
    elsewhere.send({ cmd: 'pingreq' });
    await elsewhere.hears('pingresp');
    expect(elsewhere.heard()).toEqual(['pingresp']);
    elsewhere.drop();
  });

  it('that wait are not those of the next life of the device, neither here nor at another gateway', async () => {
    const [one, two] = await startTwo();
    for (const [id, gateway] of [
      ['d1', one],
      ['d2', two],
    ] as const) {
      await one.addDevice(id);
      const first = await RawClient.connect(one.ports.mqtt, id, KEPT);
      await subscribe(first);
      first.drop();
      await until('its end', async () => (await one.recordsOf(id)).at(-1)?.message.kind === 'sessionClosed');
      await one.registry.deleteDevice(TENANT, id as DeviceId);
      await one.registry.createDevice(TENANT, id as DeviceId, hashOfToken(`next ${id}`), 1);
      const nextLife = { ...KEPT, password: Buffer.from(`next ${id}`) };
      const next = await RawClient.connect(gateway.ports.mqtt, id, nextLife);
      expect(next.sessionPresent).toBe(false);
      next.drop();
    }
  });

  it('go on with a new token of the device, and end with a connection that is closed for the old one', async () => {
    const gateway = await start({ settings: { tokenRechecksPerSecond: 0, tokenCacheMs: 0 } });
    const key = await gateway.addDevice('d1');
    const first = await RawClient.connect(gateway.ports.mqtt, 'd1', KEPT);
    await subscribe(first);
    await leaves(gateway, first, 1);
    await gateway.registry.rotateToken(TENANT, 'd1' as DeviceId, hashOfToken('second'));
    const second = await RawClient.connect(gateway.ports.mqtt, 'd1', { ...KEPT, password: Buffer.from('second') });
    expect(second.sessionPresent).toBe(true);
    await gateway.registry.rotateToken(TENANT, 'd1' as DeviceId, hashOfToken('third'));
    const [entry] = await gateway.directory.find(partitionOfDevice(key), [key]);
    const notice = { kind: 'closeSession', key, sessionEpoch: null, reason: 'revoked' } as const;
    await gateway.downlinks.send(entry?.gatewayId ?? '', [notice]);
    await until('the close', () => second.closed);
    const third = await RawClient.connect(gateway.ports.mqtt, 'd1', { ...KEPT, password: Buffer.from('third') });
    expect(third.sessionPresent).toBe(false);
    third.drop();
  });

  it('end when their time is over, here and at another gateway', async () => {
    const [one, two] = await startTwo({ settings: { sessionExpirySecondsMax: 1 } });
    for (const [id, gateway] of [
      ['d1', one],
      ['d2', two],
    ] as const) {
      await one.addDevice(id);
      const first = await RawClient.connect(one.ports.mqtt, id, KEPT);
      expect(first.packets[0]).toMatchObject({ properties: { sessionExpiryInterval: 1 } });
      first.drop();
      await until('its end', async () => (await one.recordsOf(id)).at(-1)?.message.kind === 'sessionClosed');
      const leftAtMs = Date.now();
      await until('its time to be over', () => Date.now() - leftAtMs > 1_100);
      const second = await RawClient.connect(gateway.ports.mqtt, id, KEPT);
      expect(second.sessionPresent).toBe(false);
      second.drop();
    }
  });

  it('of another version are counted, and their devices get new ones', async () => {
    const gateway = await start();
    const key = await gateway.addDevice('d1');
    const partition = partitionOfDevice(key);
    const { sessionEpoch } = await gateway.directory.open(partition, key, 'newer gateway');
    await gateway.directory.save(partition, key, { sessionEpoch, bytes: Buffer.of(99, 1, 2), ttlMs: 60_000 });
    await gateway.directory.close(partition, key, sessionEpoch);
    const first = await RawClient.connect(gateway.ports.mqtt, 'd1', KEPT);
    expect(first.sessionPresent).toBe(false);
    expect(await gateway.metric('breakwater_mqtt_sessions_unreadable_total')).toEqual([expect.stringMatching(/ 1$/)]);
    await subscribe(first);
    first.drop();
    await until('its end', async () => (await controlOf(gateway)).includes('2 sessionClosed'));
    const second = await RawClient.connect(gateway.ports.mqtt, 'd1', KEPT);
    expect(second.sessionPresent).toBe(true);
    second.drop();
  });

  it('over the limit of those without a connection leave the memory of their gateway, and go on', async () => {
    const gateway = await start({ settings: { detachedSessionsMax: 1 } });
    for (const id of ['d1', 'd2', 'd3']) {
      await gateway.addDevice(id);
      const client = await RawClient.connect(gateway.ports.mqtt, id, KEPT);
      await subscribe(client);
      client.drop();
      await until('its end', async () => (await gateway.recordsOf(id)).at(-1)?.message.kind === 'sessionClosed');
    }
    expect(await gateway.metric('breakwater_mqtt_detached_sessions_ended_total')).toEqual([
      expect.stringMatching(/cause="evicted".* 2$/),
    ]);
    for (const id of ['d1', 'd2', 'd3']) {
      const client = await RawClient.connect(gateway.ports.mqtt, id, KEPT);
      expect(client.sessionPresent).toBe(true);
      client.drop();
    }
  });

  describe('and what their twins send', () => {
    it('is sent again once when it is in flight, and let go of when it waits', async () => {
      const [one, two] = await startTwo();
      await one.addDevice('d1');
      const narrow = { ...KEPT, properties: { sessionExpiryInterval: 3_600, receiveMaximum: 1 } };
      const first = await RawClient.connect(one.ports.mqtt, 'd1', narrow);
      await subscribe(first, [COMMANDS]);
      await sendDown(one, { outboxId: 'a', ...commandDown('c1', Date.now() + 600_000) });
      await sendDown(one, { outboxId: 'b', payload: '{"fan":2}' });
      await first.hears('publish 1');
      await leaves(one, first, 1);
      await until('what waited to be done with', () => one.confirmed.includes('b'));
      const second = await RawClient.connect(two.ports.mqtt, 'd1', KEPT);
      // The outbox sends again what nobody confirmed: meant for the older connection, under the newer one it is done.
      await sendDown(two, { outboxId: 'a', sessionEpoch: 1 as SessionEpoch });
      await second.hears('publish 1 dup');
      await until('the confirmation', () => one.confirmed.includes('a'));
      second.send({ cmd: 'puback', messageId: 1 });
      second.send({ cmd: 'pingreq' });
      await second.hears('pingresp');
      expect(second.heard()).toEqual(['publish 1 dup', 'pingresp']);
      const [, again] = second.packets;
      const left = again?.cmd === 'publish' ? (again.properties?.messageExpiryInterval ?? 0) : 0;
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(600);
      second.drop();
    });

    it('says where the answer to a command goes, and what became of it', async () => {
      const gateway = await start();
      await gateway.addDevice('d1');
      const client = await RawClient.connect(gateway.ports.mqtt, 'd1', KEPT);
      await subscribe(client, [COMMANDS]);
      await sendDown(gateway, { outboxId: 'late', ...commandDown('c0', Date.now() - 1) });
      await sendDown(gateway, commandDown('c1', Date.now() + 600_000));
      await client.hears('publish 1');
      expect(client.packets.at(-1)).toMatchObject({
        topic: 'v1/devices/me/commands/c1/request',
        properties: {
          contentType: 'application/json',
          responseTopic: 'v1/devices/me/commands/c1/response',
          correlationData: Buffer.from('c1'),
        },
      });
      client.send({ cmd: 'puback', messageId: 1, reasonCode: 0x83 });
      await until('both to be confirmed', () => gateway.confirmed.length === 2);
      const counted = await gateway.metric('breakwater_mqtt_sends_total');
      expect(counted).toContainEqual(expect.stringMatching(/outcome="refused".* 1$/));
      const reports = async () =>
        (await recordsOfLane(gateway.log, 'control'))
          .map(({ message }) => message)
          .filter((message) => message.kind === 'commandDelivery');
      await until('both to be told of', async () => (await reports()).length === 2);
      expect(await reports()).toMatchObject([
        { commandId: 'c0', dispatch: 1, outcome: 'notSent' },
        { commandId: 'c1', dispatch: 1, outcome: 'delivered', reasonCode: 0x83 },
      ]);
      client.drop();
    });

    it('is bounded: the oldest leaves, is counted, and the whole state is asked for when there is room', async () => {
      const gateway = await start({ settings: { outboundQueueMax: 2, outboundDropPolicy: 'dropOldest' } });
      await gateway.addDevice('d1');
      const narrow = { ...KEPT, properties: { sessionExpiryInterval: 3_600, receiveMaximum: 1 } };
      const client = await RawClient.connect(gateway.ports.mqtt, 'd1', narrow);
      await subscribe(client);
      for (const outboxId of ['a', 'b', 'c', 'd']) await sendDown(gateway, { outboxId });
      await until('two to be dropped', () => gateway.confirmed.includes('b') && gateway.confirmed.includes('c'));
      expect(client.heard()).toEqual(['suback 1', 'publish 1']);
      expect(await gateway.metric('breakwater_mqtt_sends_total')).toContainEqual(
        expect.stringMatching(/outcome="dropped".* 2$/),
      );
      const requests = async (): Promise<number> =>
        (await controlOf(gateway)).filter((line) => line === '1 desiredSubscribed').length;
      expect(await requests()).toBe(1);
      client.send({ cmd: 'puback', messageId: 1 });
      await until('the request for all of it', async () => (await requests()) === 2);
      expect(client.closed).toBe(false);
      client.drop();
    });
  });

  describe('and QoS 2 from the device', () => {
    const telemetryOf = async (gateway: GatewayFixture): Promise<number> => (await gateway.records('telemetry')).length;

    it('is one record when it is sent again anywhere in the session', async () => {
      const [one, two] = await startTwo();
      await one.addDevice('d1');
      const first = await RawClient.connect(one.ports.mqtt, 'd1', KEPT);
      first.publish(5, '{"a":1}', { qos: 2 });
      await first.hears('pubrec 5');
      await leaves(one, first, 1);
      const second = await RawClient.connect(two.ports.mqtt, 'd1', KEPT);
      second.publish(5, '{"a":1}', { qos: 2, dup: true });
      await second.hears('pubrec 5');
      second.send({ cmd: 'pubrel', messageId: 5 });
      await second.hears('pubcomp 5');
      expect(await telemetryOf(one)).toBe(1);
      second.drop();
    });

    it('is a new record when its packet id was released, though it looks the same', async () => {
      const [one, two] = await startTwo();
      await one.addDevice('d1');
      const first = await RawClient.connect(one.ports.mqtt, 'd1', KEPT);
      first.publish(5, '{"a":1}', { qos: 2 });
      await first.hears('pubrec 5');
      first.send({ cmd: 'pubrel', messageId: 5 });
      await first.hears('pubcomp 5');
      await leaves(one, first, 1);
      // Its first copy, without DUP, was lost with the connection.
      const second = await RawClient.connect(two.ports.mqtt, 'd1', KEPT);
      second.publish(5, '{"a":1}', { qos: 2, dup: true });
      await second.hears('pubrec 5');
      expect(await telemetryOf(one)).toBe(2);
      second.drop();
    });

    it('and QoS 1 are recognised over a connection in between, in which nothing was sent', async () => {
      const [one, two] = await startTwo();
      await one.addDevice('d1');
      const first = await RawClient.connect(one.ports.mqtt, 'd1', KEPT);
      first.publish(7, '{"a":1}');
      await first.hears('puback 7');
      await leaves(one, first, 1);
      await leaves(one, await RawClient.connect(two.ports.mqtt, 'd1', KEPT), 2);
      await leaves(one, await RawClient.connect(one.ports.mqtt, 'd1', KEPT), 3);
      const last = await RawClient.connect(two.ports.mqtt, 'd1', KEPT);
      last.publish(7, '{"a":1}', { dup: true });
      await last.hears('puback 7');
      expect(await telemetryOf(one)).toBe(1);
      last.drop();
    });
  });

  it('hold back a will for its delay, and for good when the device is back before', async () => {
    const one = await start();
    const status = (id: string, delay: number) => ({
      ...KEPT,
      will: {
        ...{ topic: 'v1/devices/me/status', payload: Buffer.from(`"${id} is gone"`), qos: 1 as const, retain: false },
        properties: { willDelayInterval: delay },
      },
    });
    const kindsOf = async (id: string): Promise<readonly string[]> =>
      (await one.recordsOf(id)).map(({ message }) => message.kind);
    for (const id of ['back', 'gone', 'atOnce']) await one.addDevice(id);
    const clients = new Map<string, RawClient>();
    for (const [id, delay] of [
      ['back', 1],
      ['gone', 1],
      ['atOnce', 0],
    ] as const) {
      clients.set(id, await RawClient.connect(one.ports.mqtt, id, status(id, delay)));
    }
    clients.get('back')?.drop();
    await until('its end', async () => (await kindsOf('back')).includes('sessionClosed'));
    const again = await RawClient.connect(one.ports.mqtt, 'back', KEPT);
    for (const id of ['gone', 'atOnce']) clients.get(id)?.drop();
    await until('the will', async () => (await kindsOf('gone')).length === 3);
    expect(await kindsOf('gone')).toEqual(['sessionOpened', 'sessionClosed', 'statusReported']);
    expect(await kindsOf('atOnce')).toEqual(['sessionOpened', 'statusReported', 'sessionClosed']);
    expect(await kindsOf('back')).toEqual(['sessionOpened', 'sessionClosed', 'sessionOpened']);
    again.drop();
  });

  it('are told where to go on when their gateway stops', async () => {
    const [one, two] = await startTwo({ settings: { serverReference: 'other.example:1883' } });
    await one.addDevice('d1');
    const first = await RawClient.connect(one.ports.mqtt, 'd1', KEPT);
    await subscribe(first);
    await one.gateway.stop();
    await until('the close', () => first.closed);
    expect(first.packets.at(-1)).toMatchObject({
      reasonCode: 0x9c,
      properties: { serverReference: 'other.example:1883' },
    });
    const second = await RawClient.connect(two.ports.mqtt, 'd1', KEPT);
    expect(second.sessionPresent).toBe(true);
    second.drop();
  });
});

/** What makes a downlink the first dispatch of a command. */
function commandDown(commandId: string, deadlineMs: number): Partial<Downlink> {
  const command = { commandId, requestId: 1, dispatch: 1, deadlineMs };
  return { topic: `commands/${commandId}/request`, payload: '{"method":"m"}', command };
}
