import { afterEach, describe, expect, it } from '@jest/globals';
import type { Partition } from '@breakwater/twin';

import { type FixtureOptions, type GatewayFixture, partitionOfDevice, startFixture, until } from './gateway-fixture.ts';
import { HeldAppends } from './held-appends.ts';
import { RawClient } from './raw-client.ts';

const REPORTED = 'v1/devices/me/twin/reported';
/** Longer than any run of these tests. */
const NEVER_MS = 60_000;
const SHORT_MS = 150;

describe('a device that turns to another gateway', () => {
  const running: GatewayFixture[] = [];
  afterEach(async () => {
    for (const fixture of running.splice(0)) await fixture.stop();
  });
  const both = async (
    appends: HeldAppends,
    settings: FixtureOptions['settings'] = {},
  ): Promise<readonly [GatewayFixture, GatewayFixture]> => {
    const older = await startFixture({ settings, log: (log) => appends.on(log) });
    const newer = await older.another({ settings });
    running.push(older, newer);
    await older.addDevice('d1');
    return [older, newer];
  };
  const said = async (gateway: GatewayFixture): Promise<readonly string[]> =>
    (await gateway.records('control')).map(({ message, sessionEpoch }) => `${sessionEpoch} ${message.kind}`);
  const leavingOf = async (gateway: GatewayFixture): Promise<number> => {
    const key = await gateway.addDevice('d1').catch(() => 'default/d1' as never);
    return (await gateway.directory.leaving(partitionOfDevice(key), key)).length;
  };

  it('is let in when all that the older one has read of it is in the log, and sends again without a copy', async () => {
    const appends = new HeldAppends();
    const [older, newer] = await both(appends, { takeoverWaitMs: NEVER_MS });
    const first = await RawClient.open(older.ports.mqtt, 'd1', 5);
    appends.hold();
    first.publish(1, '{"n":1}');
    await until('the append to be held', () => appends.held === 1);
    const opening = RawClient.open(newer.ports.mqtt, 'd1', 5);
    await until('the first to be closed', () => first.closed);
    expect(first.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8e });
    expect(await leavingOf(newer)).toBe(1);
    expect(await said(newer)).toEqual(['1 sessionOpened']);
    appends.release();
    const second = await opening;
    expect(second.accepted).toBe(true);
    second.publish(1, '{"n":1}', { dup: true });
    expect(await second.acknowledgements(1)).toEqual([1]);
    expect(await newer.records('telemetry')).toHaveLength(1);
    // Nobody says that the device is gone: it is connected all the time.
    expect(await said(newer)).toEqual(['1 sessionOpened', '2 sessionOpened']);
    expect(await leavingOf(newer)).toBe(0);
    second.drop();
  });

  it('waits as well for a connection that the older one has closed already', async () => {
    const appends = new HeldAppends();
    const [older, newer] = await both(appends, { takeoverWaitMs: NEVER_MS });
    const first = await RawClient.open(older.ports.mqtt, 'd1');
    appends.hold();
    first.publish(1, '{"n":1}');
    await until('the append to be held', () => appends.held === 1);
    first.drop();
    await until('the end to be recorded', async () => (await said(older)).includes('1 sessionClosed'));
    const opening = RawClient.open(newer.ports.mqtt, 'd1');
    await until('the older one to be waited for', async () => (await leavingOf(newer)) === 1);
    appends.release();
    const second = await opening;
    second.publish(1, '{"n":1}', { dup: true });
    await second.acknowledgements(1);
    expect(await newer.records('telemetry')).toHaveLength(1);
    second.drop();
  });

  it('waits for all of several gateways, of which the last one never had it open', async () => {
    const appends = new HeldAppends();
    const [older, newer] = await both(appends, { takeoverWaitMs: NEVER_MS });
    const newest = await older.another({ settings: { takeoverWaitMs: NEVER_MS } });
    running.push(newest);
    const first = await RawClient.open(older.ports.mqtt, 'd1');
    appends.hold();
    first.publish(1, '{"n":1}');
    await until('the append to be held', () => appends.held === 1);
    const opening = [newer, newest].map(async (gateway, index) => {
      await until('its turn', async () => (await leavingOf(gateway)) === index);
      return RawClient.open(gateway.ports.mqtt, 'd1');
    });
    await until('both to be waited for', async () => (await leavingOf(newest)) === 2);
    appends.release();
    const [second, third] = await Promise.all(opening);
    await until('the second to be closed', () => second!.closed);
    third!.publish(1, '{"n":1}', { dup: true });
    await third!.acknowledgements(1);
    expect(await newest.records('telemetry')).toHaveLength(1);
    third!.drop();
  });

  it('is let in after a while where the older one does not get done, which then counts for nothing', async () => {
    const appends = new HeldAppends();
    const [older, newer] = await both(appends, { takeoverWaitMs: SHORT_MS, resendDevicesMax: 0 });
    const first = await RawClient.open(older.ports.mqtt, 'd1');
    appends.hold();
    first.publish(1, '{"old":1}', { topic: REPORTED });
    await until('the append to be held', () => appends.held === 1);
    const second = await RawClient.open(newer.ports.mqtt, 'd1');
    expect(second.accepted).toBe(true);
    second.publish(2, '{"new":1}', { topic: REPORTED });
    await second.acknowledgements(1);
    appends.release();
    await until('the late one to be there', async () => (await said(newer)).length === 4);
    // The log has it, behind a newer connection: a twin passes it over, so it must not stand for what is sent again.
    second.publish(1, '{"old":1}', { topic: REPORTED, dup: true });
    await second.acknowledgements(2);
    expect(await said(newer)).toEqual([
      '1 sessionOpened',
      '2 sessionOpened',
      '2 reportState',
      '1 reportState',
      '2 reportState',
    ]);
    expect(await newer.metric('breakwater_mqtt_takeovers_total')).toEqual([
      expect.stringMatching(/end="overdue".* 1$/),
    ]);
    second.drop();
  });

  it('waits shortly for a gateway that lives by its lease and says nothing', async () => {
    const gateway = await startFixture({ settings: { takeoverAnswerMs: SHORT_MS, takeoverWaitMs: NEVER_MS } });
    running.push(gateway);
    const key = await gateway.addDevice('d1');
    await gateway.directory.registerGateway('gw-killed', NEVER_MS);
    await gateway.directory.open(partitionOfDevice(key) as Partition, key, 'gw-killed');
    const client = await RawClient.open(gateway.ports.mqtt, 'd1');
    expect(client.accepted).toBe(true);
    expect(await leavingOf(gateway)).toBe(0);
    client.drop();
  });

  it('is not let in by a gateway that was overtaken while it opened the connection', async () => {
    const appends = new HeldAppends();
    const [older, newer] = await both(appends, { takeoverWaitMs: NEVER_MS, takeoverAnswerMs: NEVER_MS });
    const key = 'default/d1' as never;
    // The newer one waits for this one, which never answers.
    await newer.directory.registerGateway('gw-hung', NEVER_MS);
    const { sessionEpoch } = await newer.directory.open(partitionOfDevice(key), key, 'gw-hung');
    const slow = RawClient.open(newer.ports.mqtt, 'd1', 5);
    await until('it to be waited for', async () => (await leavingOf(newer)) === 1);
    const fast = RawClient.open(older.ports.mqtt, 'd1', 5);
    await until('both to be waited for', async () => (await leavingOf(newer)) === 2);
    await newer.directory.close(partitionOfDevice(key), key, sessionEpoch);
    expect((await fast).accepted).toBe(true);
    const overtaken = await slow;
    await until('the other to be closed', () => overtaken.closed);
    const [entry] = await newer.directory.find(partitionOfDevice(key), [key]);
    expect(entry?.sessionEpoch).toBe(3);
    (await fast).drop();
  });
});
