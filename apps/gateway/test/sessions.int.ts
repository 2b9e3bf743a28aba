import { afterEach, describe, expect, it } from '@jest/globals';
import type { Epoch, Partition, SessionEpoch } from '@breakwater/twin';
import type { AppendRequest, Downlink, EventLog } from '@breakwater/twin-runtime';

import {
  type FixtureOptions,
  type GatewayFixture,
  PARTITIONS,
  partitionOfDevice,
  startFixture,
  until,
} from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

describe('sessions', () => {
  const running: GatewayFixture[] = [];
  const start = async (options?: FixtureOptions): Promise<GatewayFixture> => {
    const fixture = await startFixture(options);
    running.push(fixture);
    return fixture;
  };
  afterEach(async () => {
    for (const fixture of running.splice(0)) await fixture.stop();
  });
  const controlOf = async (gateway: GatewayFixture): Promise<readonly string[]> =>
    (await gateway.records('control')).map(({ message, sessionEpoch }) => {
      const reason = message.kind === 'sessionClosed' ? ` ${message.reason}` : '';
      return `${sessionEpoch} ${message.kind}${reason}`;
    });

  it('takes over an older connection here, and one at another gateway', async () => {
    const gateway = await start();
    const other = await gateway.another();
    running.push(other);
    const key = await gateway.addDevice('d1');
    const first = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const second = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    await until('the first to be closed', () => first.closed);
    expect(first.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8e });
    const third = await RawClient.open(other.ports.mqtt, 'd1', 5);
    await until('the second to be closed', () => second.closed);
    expect(second.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8e });
    await until('all to be recorded', async () => (await controlOf(gateway)).length === 4);
    // The second is not closed for the twin: the device is connected, at the other gateway.
    expect([...(await controlOf(gateway))].sort()).toEqual([
      '1 sessionClosed takenOver',
      '1 sessionOpened',
      '2 sessionOpened',
      '3 sessionOpened',
    ]);
    const [entry] = await gateway.directory.find(partitionOfDevice(key), [key]);
    expect(entry?.sessionEpoch).toBe(3);
    third.drop();
  });

  it('fences a dead gateway before it takes over its devices', async () => {
    const gateway = await start();
    const key = await gateway.addDevice('d1');
    const partition = partitionOfDevice(key);
    await gateway.directory.open(partition, key, 'gw-dead');
    const client = await gateway.connect('d1');
    const request = {
      lane: 'telemetry',
      partition,
      producerId: 'gw-dead',
      seq: 1,
      body: 'late',
      recordCount: 1,
    } as const;
    expect(await gateway.log.append([request])).toEqual([{ kind: 'refused', code: 'PRODUCER_FENCED' }]);
    await client.endAsync();
  });

  it('closes the session of a device that lost its right to be here, and lets it in no more', async () => {
    const gateway = await start({ settings: { tokenRechecksPerSecond: 0 } });
    const key = await gateway.addDevice('d1');
    const client = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const device = await gateway.registry.rotateToken('default' as never, 'd1' as never, 'another hash');
    expect(device).not.toBeNull();
    const [entry] = await gateway.directory.find(partitionOfDevice(key), [key]);
    const notice = { kind: 'closeSession', key, sessionEpoch: null, reason: 'revoked' } as const;
    await gateway.downlinks.send(entry?.gatewayId ?? '', [notice]);
    await until('the session to be closed', () => client.closed);
    const again = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    expect(again.packets[0]).toMatchObject({ cmd: 'connack', reasonCode: 0x86 });
  });

  it('closes the session of a revoked device even if the notice of it got lost', async () => {
    const gateway = await start();
    await gateway.addDevice('d1');
    await gateway.addDevice('d2');
    const revoked = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const other = await RawClient.open(gateway.ports.mqtt, 'd2', 5);
    await gateway.registry.rotateToken('default' as never, 'd1' as never, 'another hash');
    await until('the session to be closed', () => revoked.closed);
    expect(revoked.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x98 });
    expect(other.closed).toBe(false);
    other.drop();
  });

  it('does not open a session with a token that was revoked while it was remembered', async () => {
    const gateway = await start({ settings: { tokenCacheMs: 60_000 } });
    await gateway.addDevice('d1');
    (await RawClient.open(gateway.ports.mqtt, 'd1', 5)).drop();
    await gateway.registry.rotateToken('default' as never, 'd1' as never, 'another hash');
    const again = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    expect(again.packets[0]).toMatchObject({ cmd: 'connack', reasonCode: 0x87 });
    expect((await controlOf(gateway)).filter((line) => line.startsWith('2'))).toEqual([]);
  });

  it('records the will of a lost connection before its end', async () => {
    const gateway = await start();
    await gateway.addDevice('d1');
    const will = { topic: 'v1/devices/me/status', payload: Buffer.from('offline'), qos: 1 as const, retain: false };
    const client = await gateway.connect('d1', { will });
    client.stream.destroy();
    await until('the end to be recorded', async () => (await controlOf(gateway)).length === 3);
    expect(await controlOf(gateway)).toEqual(['1 sessionOpened', '1 statusReported', '1 sessionClosed connectionLost']);
  });

  it('passes over a will that is larger in the log than a frame may be, and records the end', async () => {
    const frameBytesMax = 256 * 1024;
    const tooLarge = (requests: readonly AppendRequest[]): boolean =>
      requests.some(({ body }) => body.length > frameBytesMax);
    const gateway = await start({
      settings: { frameBytesMax },
      log: (log) =>
        ({
          append: (requests: readonly AppendRequest[]) =>
            tooLarge(requests)
              ? Promise.resolve(requests.map(() => ({ kind: 'refused', code: 'FRAME_TOO_LARGE' })))
              : log.append(requests),
          keepProducer: log.keepProducer.bind(log),
          fenceProducer: log.fenceProducer.bind(log),
        }) as unknown as EventLog,
    });
    await gateway.addDevice('d1');
    // CBOR has control characters as they are; JSON writes six characters for each.
    const characters = 60_000;
    const head = Buffer.from([0xa1, 0x61, 0x61, 0x7a, 0, 0, characters >> 8, characters & 0xff]);
    const payload = Buffer.concat([head, Buffer.alloc(characters, 1)]);
    const will = { topic: 'v1/devices/me/twin/reported', payload, qos: 1 as const, retain: false };
    const client = await gateway.connect('d1', { will });
    client.stream.destroy();
    await until('the end to be recorded', async () => (await controlOf(gateway)).length === 2);
    expect(await controlOf(gateway)).toEqual(['1 sessionOpened', '1 sessionClosed connectionLost']);
  });

  it('lets a device subscribe below its own id only', async () => {
    const gateway = await start();
    await gateway.addDevice('d1');
    const client = await gateway.connect('d1', { protocolVersion: 5 });
    const filters = [
      'v1/devices/me/twin/desired',
      'v1/devices/d1/#',
      'v1/devices/+/twin/desired',
      'v1/devices/d2/#',
      '#',
      '$share/g/v1/devices/me/#',
    ];
    const granted = await client
      .subscribeAsync(filters, { qos: 1 })
      .catch((error: { packet?: unknown }) => error.packet);
    expect(JSON.stringify(granted)).toContain('[1,1,135,135,135');
    await client.endAsync();
  });

  describe('downlinks', () => {
    const desired = (gateway: GatewayFixture, key: string, more: Partial<Downlink> = {}): Downlink => ({
      outboxId: 'control:1:0',
      partition: partitionOfDevice(key as never),
      epoch: '5:abc' as Epoch,
      key: key as never,
      sessionEpoch: 1 as SessionEpoch,
      twinVersion: 3,
      topic: 'twin/desired',
      qos: 1,
      payload: '{"fan":1,"$version":3}',
      ...more,
    });
    const sendTo = async (gateway: GatewayFixture, key: string, ...downlinks: Downlink[]): Promise<void> => {
      const [entry] = await gateway.directory.find(partitionOfDevice(key as never), [key as never]);
      const notices = downlinks.map((downlink) => ({ kind: 'downlink', downlink }) as const);
      await gateway.downlinks.send(entry?.gatewayId ?? '', notices);
    };

    it.each([
      ['v1/devices/me/twin/desired', 'v1/devices/me/twin/desired', []],
      ['v1/devices/d1/twin/+', 'v1/devices/d1/twin/desired', []],
      ['v1/devices/me/#', 'v1/devices/me/twin/desired', ['1 commandsSubscribed']],
      ['v1/devices/me/attributes', 'v1/devices/me/attributes', []],
    ])('reach who subscribed to %s once, and are confirmed', async (filter, topic, also) => {
      const gateway = await start();
      const key = await gateway.addDevice('d1');
      const client = await gateway.connect('d1');
      const received: string[] = [];
      client.on('message', (receivedTopic, payload) => received.push(`${receivedTopic} ${payload.toString()}`));
      await client.subscribeAsync(filter, { qos: 1 });
      await sendTo(gateway, key, desired(gateway, key), desired(gateway, key));
      await until('the confirmation', () => gateway.confirmed.includes('control:1:0'));
      expect(received).toEqual([`${topic} {"fan":1,"$version":3}`]);
      expect(await controlOf(gateway)).toEqual(['1 sessionOpened', '1 desiredSubscribed', ...also]);
      await client.endAsync();
    });

    it('of a former owner are refused, and those for another session are confirmed unsent', async () => {
      const gateway = await start();
      const key = await gateway.addDevice('d1');
      const client = await gateway.connect('d1');
      const received: string[] = [];
      client.on('message', (_, payload) => received.push(payload.toString()));
      await client.subscribeAsync('v1/devices/me/#', { qos: 1 });
      await sendTo(
        gateway,
        key,
        desired(gateway, key, { outboxId: 'new', payload: '"new"' }),
        desired(gateway, key, { outboxId: 'former', epoch: '4:zzz' as Epoch, twinVersion: 9, payload: '"former"' }),
        desired(gateway, key, { outboxId: 'other', sessionEpoch: 7 as SessionEpoch, payload: '"other"' }),
        desired(gateway, key, { outboxId: 'last', twinVersion: 4, payload: '"last"' }),
      );
      await until('the last one', () => received.includes('"last"'));
      await until('the confirmations', () => gateway.confirmed.length === 3);
      expect([...gateway.confirmed].sort()).toEqual(['last', 'new', 'other']);
      expect(received).toEqual(['"new"', '"last"']);
      await client.endAsync();
    });

    it('with an older desired state than was sent make the twin send all of it', async () => {
      const gateway = await start();
      const key = await gateway.addDevice('d1');
      const client = await gateway.connect('d1');
      const received: string[] = [];
      client.on('message', (_, payload) => received.push(payload.toString()));
      await client.subscribeAsync('v1/devices/me/twin/desired', { qos: 1 });
      await sendTo(
        gateway,
        key,
        desired(gateway, key, { outboxId: 'six', twinVersion: 6, payload: '6' }),
        desired(gateway, key, { outboxId: 'five', twinVersion: 5, payload: '5' }),
      );
      await until('both to be confirmed', () => gateway.confirmed.length === 2);
      await until('the request', async () => (await controlOf(gateway)).length === 3);
      expect(received).toEqual(['6']);
      expect((await controlOf(gateway)).at(-1)).toBe('1 desiredSubscribed');
      await client.endAsync();
    });
  });

  describe('a device that does not answer', () => {
    const subscribed = async (gateway: GatewayFixture): Promise<RawClient> => {
      const client = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
      const subscriptions = [{ topic: 'v1/devices/me/#', qos: 1 as const }];
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
      await until('the SUBACK', () => client.packets.some(({ cmd }) => cmd === 'suback'));
      return client;
    };
    const sendTo = async (gateway: GatewayFixture, key: string, outboxIds: readonly string[]): Promise<void> => {
      const partition = partitionOfDevice(key as never);
      const [entry] = await gateway.directory.find(partition, [key as never]);
      const notices = outboxIds.map((outboxId) => {
        const target = { key: key as never, partition, sessionEpoch: 1 as SessionEpoch, epoch: '5:abc' as Epoch };
        const downlink = { ...target, outboxId, twinVersion: 3, topic: 'twin/desired', qos: 1, payload: '{}' } as const;
        return { kind: 'downlink', downlink } as const;
      });
      await gateway.downlinks.send(entry?.gatewayId ?? '', notices);
    };

    it('is closed when its queue is full, and leaves nothing in the outbox of its shard', async () => {
      const gateway = await start({ settings: { outboundQueueMax: 2, downlinkAnswerMs: 600_000 } });
      const key = await gateway.addDevice('d1');
      const client = await subscribed(gateway);
      await sendTo(gateway, key, ['a', 'b', 'c']);
      await until('the close', () => client.closed);
      await until('the confirmations', () => gateway.confirmed.length === 3);
      expect(client.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x97 });
      await until('its end in the log', async () => (await controlOf(gateway)).includes('1 sessionClosed overloaded'));
    });

    it('holds its place in the outbox for a while only', async () => {
      const gateway = await start({ settings: { downlinkAnswerMs: 20 } });
      const key = await gateway.addDevice('d1');
      const client = await subscribed(gateway);
      await sendTo(gateway, key, ['a']);
      await until('the confirmation', () => gateway.confirmed.includes('a'));
      expect(client.closed).toBe(false);
      client.drop();
    });
  });

  it('takes a new identity when its lease is lost, and closes what was opened under the old one', async () => {
    const gateway = await start({ settings: { leaseTtlMs: 60 } });
    const key = await gateway.addDevice('d1');
    const client = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const [before] = await gateway.directory.find(partitionOfDevice(key), [key]);
    await gateway.directory.unregisterGateway(before?.gatewayId ?? '');
    await until('the session to be closed', () => client.closed);
    await until('a new identity', () => gateway.gateway.readiness().ready);
    const again = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    again.publish(1, '{"a":1}');
    expect(await again.acknowledgements(1)).toEqual([1]);
    const [after] = await gateway.directory.find(partitionOfDevice(key), [key]);
    expect(after?.gatewayId).not.toBe(before?.gatewayId);
    // Not the device's own partition: that one is fenced by the takeover, too.
    const partition = ((partitionOfDevice(key) + 1) % PARTITIONS) as Partition;
    const request = { lane: 'telemetry', partition, producerId: before?.gatewayId ?? '' } as const;
    expect(await gateway.log.append([{ ...request, seq: 1, body: 'late', recordCount: 1 }])).toEqual([
      { kind: 'refused', code: 'PRODUCER_FENCED' },
    ]);
    again.drop();
  });

  it('opens no session under an identity that was lost meanwhile', async () => {
    const gateway = await start({ settings: { leaseTtlMs: 60 } });
    const key = await gateway.addDevice('d1');
    const openEntry = gateway.directory.open.bind(gateway.directory);
    let former = '';
    let isReplaced = false;
    const register = gateway.directory.registerGateway.bind(gateway.directory);
    gateway.directory.registerGateway = async (...given) => {
      await register(...given);
      isReplaced = true;
    };
    gateway.directory.open = async (partition, deviceKey, gatewayId) => {
      const entry = await openEntry(partition, deviceKey, gatewayId);
      if (former === '') {
        former = gatewayId;
        await gateway.directory.unregisterGateway(gatewayId);
        await until('a new identity', () => isReplaced && gateway.gateway.readiness().ready);
      }
      return entry;
    };
    const client = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    expect(client.packets[0]).toMatchObject({ cmd: 'connack', reasonCode: 0x88 });
    expect(await controlOf(gateway)).toEqual([]);
    const again = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    expect(again.accepted).toBe(true);
    const [entry] = await gateway.directory.find(partitionOfDevice(key), [key]);
    expect(entry?.gatewayId).not.toBe(former);
    again.drop();
  });

  it('ends a session whose request for the desired state was not stored', async () => {
    const gateway = await start({
      log: (log) =>
        ({
          append: (requests: readonly AppendRequest[]) =>
            requests.some(({ body }) => body.includes('"desiredSubscribed"'))
              ? Promise.resolve(requests.map(() => ({ kind: 'refused', code: 'FRAME_TOO_LARGE' })))
              : log.append(requests),
          keepProducer: log.keepProducer.bind(log),
          fenceProducer: log.fenceProducer.bind(log),
        }) as unknown as EventLog,
    });
    await gateway.addDevice('d1');
    const client = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const subscriptions = [{ topic: 'v1/devices/me/#', qos: 1 as const }];
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
    await until('the close', () => client.closed);
    expect(client.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x97 });
  });

  it('stops in order: the devices are told, their ends are recorded, the identity is given back', async () => {
    const gateway = await start();
    const key = await gateway.addDevice('d1');
    const client = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const [entry] = await gateway.directory.find(partitionOfDevice(key), [key]);
    client.publish(1, '{"a":1}');
    await client.acknowledgements(1);
    await gateway.stop();
    running.length = 0;
    await until('the close', () => client.closed);
    expect(client.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8b });
    expect(await controlOf(gateway)).toEqual(['1 sessionOpened', '1 sessionClosed gatewayStopped']);
    expect(await gateway.directory.find(partitionOfDevice(key), [key])).toEqual([null]);
    expect((await gateway.directory.liveGateways([entry?.gatewayId ?? ''])).size).toBe(0);
  });
});
