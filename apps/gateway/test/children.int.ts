import type { MemoryEventLog } from '@breakwater/adapter-memory';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type DeviceId, type DeviceKey, deviceKey, type Epoch } from '@breakwater/twin';
import { type AppendRequest, type AppendResult, DEFAULT_DEVICE_PROFILE, type EventLog } from '@breakwater/twin-runtime';
import type { WireRecord } from '@breakwater/wire';

import { hashOfToken } from '../src/identity/device-tokens.ts';
import {
  type FixtureOptions,
  type GatewayFixture,
  partitionOfDevice,
  startFixture,
  TENANT,
  until,
} from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

const TELEMETRY = 'v1/gateway/telemetry';

/** A log that leaves the frames of one partition unanswered while it is told to. */
class StuckLog {
  readonly #memory: MemoryEventLog;
  #stuck: number | null = null;
  #released: Promise<void> = Promise.resolve();
  release: () => void = () => undefined;

  constructor(memory: MemoryEventLog) {
    this.#memory = memory;
  }

  holdTelemetryOf(partition: number): void {
    this.#stuck = partition;
    this.#released = new Promise((resolve) => (this.release = resolve));
  }

  async append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const results = await this.#memory.append(requests);
    const isHeld = requests.some(({ lane, partition }) => lane === 'telemetry' && partition === this.#stuck);
    if (isHeld) await this.#released;
    return results;
  }

  keepProducer: EventLog['keepProducer'] = () => this.#memory.keepProducer();
  fenceProducer: EventLog['fenceProducer'] = (...given) => this.#memory.fenceProducer(...given);
}

describe('a gateway device and its children', () => {
  const running: GatewayFixture[] = [];
  const start = async (options?: FixtureOptions): Promise<GatewayFixture> => {
    const fixture = await startFixture(options);
    running.push(fixture);
    await addGateway(fixture, 'hub');
    return fixture;
  };
  afterEach(async () => {
    for (const fixture of running.splice(0)) await fixture.stop();
  });

  const addGateway = async (fixture: GatewayFixture, id: string): Promise<void> => {
    const profile = { ...DEFAULT_DEVICE_PROFILE, isGateway: true };
    await fixture.registry.createDevice(TENANT, id as DeviceId, hashOfToken(`token-${id}`), 1, profile);
  };
  const keyOf = (id: string): DeviceKey => deviceKey(TENANT, id as DeviceId);
  const kindsOf = async (fixture: GatewayFixture, id: string): Promise<readonly string[]> =>
    (await fixture.recordsOf(id)).map(({ sessionEpoch, message }) => `${sessionEpoch} ${message.kind}`);
  const valuesOf = (records: readonly WireRecord[]): readonly unknown[] =>
    records.flatMap(({ message }) => (message.kind === 'telemetry' ? [message.points[0]?.values.get('n')] : []));
  /** Children whose sessions in the log are not at an end. */
  const openIn = async (fixture: GatewayFixture): Promise<readonly string[]> => {
    const open = new Map<string, string>();
    for (const { device, sessionEpoch, message } of await fixture.records('control')) {
      if (message.kind === 'sessionOpened') open.set(`${device} ${sessionEpoch}`, device);
      if (message.kind === 'sessionClosed') open.delete(`${device} ${sessionEpoch}`);
    }
    return [...open.values()].sort();
  };

  it('speaks for devices that are registered by it, each with a session and records of its own', async () => {
    const fixture = await start();
    const client = await fixture.connect('hub');
    await client.publishAsync('v1/gateway/connect', '{"device":"A","type":"thermometer"}', { qos: 1 });
    const readings = { A: [{ ts: 1_790_000_000_000, values: { n: 1 } }], B: [{ n: 2 }], C: { n: 3 } };
    await client.publishAsync(TELEMETRY, JSON.stringify(readings), { qos: 1 });
    await client.publishAsync('v1/gateway/attributes', '{"A":{"fw":"1"},"B":{"fw":"2"}}', { qos: 1 });
    expect(await kindsOf(fixture, 'A')).toEqual(['0 deviceCreated', '1 sessionOpened', '1 reportState', '1 telemetry']);
    expect(await kindsOf(fixture, 'B')).toEqual(['0 deviceCreated', '1 sessionOpened', '1 reportState', '1 telemetry']);
    expect(await kindsOf(fixture, 'C')).toEqual(['0 deviceCreated', '1 sessionOpened', '1 telemetry']);
    for (const [id, value] of [['A', 1] as const, ['B', 2] as const, ['C', 3] as const]) {
      expect(valuesOf(await fixture.recordsOf(id))).toEqual([value]);
      expect(await fixture.registry.findDevice(TENANT, id as DeviceId)).toMatchObject({ profile: { via: 'hub' } });
    }
    expect(await openIn(fixture)).toEqual(['A', 'B', 'C', 'hub']);
    await client.publishAsync('v1/gateway/disconnect', '{"device":"A"}', { qos: 1 });
    await until('A to be closed', async () => (await openIn(fixture)).join() === 'B,C,hub');
    await client.publishAsync(TELEMETRY, '{"A":{"n":4}}', { qos: 1 });
    expect(await openIn(fixture)).toEqual(['A', 'B', 'C', 'hub']);
    await client.endAsync();
    await until('all to be closed', async () => (await openIn(fixture)).length === 0);
    const [entry] = await fixture.directory.find(partitionOfDevice(keyOf('B')), [keyOf('B')]);
    expect(entry).toBeNull();
  });

  it('sends with QoS 2 what looks like its last message, and is not taken for a resend of it', async () => {
    const fixture = await start();
    const kept = { clientId: 'hub', protocolVersion: 4, clean: false } as const;
    const said = { qos: 2, topic: TELEMETRY } as const;
    const first = await RawClient.openAs(fixture.ports.mqtt, kept);
    first.publish(1, '{"A":{"n":1}}', said);
    await until('PUBREC', () => first.packets.some(({ cmd }) => cmd === 'pubrec'));
    first.send({ cmd: 'pubrel', messageId: 1 });
    await until('PUBCOMP', () => first.packets.some(({ cmd }) => cmd === 'pubcomp'));
    first.drop();
    // The first copy of the next one was lost with the connection.
    const second = await RawClient.openAs(fixture.ports.mqtt, kept);
    second.publish(1, '{"A":{"n":1}}', { ...said, dup: true });
    await until('PUBREC', () => second.packets.some(({ cmd }) => cmd === 'pubrec'));
    expect(valuesOf(await fixture.recordsOf('A'))).toEqual([1, 1]);
    second.drop();
  });

  it('is acknowledged only when the parts of all children are durable', async () => {
    let stuck: StuckLog | null = null;
    const fixture = await start({ log: (log) => (stuck = new StuckLog(log)) as unknown as EventLog });
    const client = await RawClient.open(fixture.ports.mqtt, 'hub');
    const names = ['A', 'B', 'C', 'D', 'E', 'F'];
    const partitions = new Set(names.map((name) => partitionOfDevice(keyOf(name))));
    expect(partitions.size).toBeGreaterThan(1);
    const readings = JSON.stringify(Object.fromEntries(names.map((name) => [name, { n: 1 }])));
    client.publish(1, readings, { topic: TELEMETRY });
    await client.acknowledgements(1);
    const log = stuck as unknown as StuckLog;
    log.holdTelemetryOf(partitionOfDevice(keyOf('F')));
    client.publish(2, readings, { topic: TELEMETRY });
    await until('all parts but one to be answered', async () => (await fixture.records('telemetry')).length === 12);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(client.acknowledged()).toEqual([1]);
    log.release();
    expect(await client.acknowledgements(2)).toEqual([1, 2]);
    client.drop();
  });

  it.each(['here', 'at another gateway'])(
    'takes of a message that is sent again only what is missing (%s)',
    async (at) => {
      const fixture = await start();
      const first = await RawClient.open(fixture.ports.mqtt, 'hub');
      const readings = '{"A":{"n":1},"B":{"n":2}}';
      first.publish(7, readings, { topic: TELEMETRY });
      first.publish(8, '{"A":{"n":3},"C":{"n":4}}', { topic: TELEMETRY });
      await first.acknowledgements(2);
      first.drop();
      let port = fixture.ports.mqtt;
      if (at !== 'here') {
        const other = await fixture.another();
        running.push(other);
        port = other.ports.mqtt;
      }
      const second = await RawClient.open(port, 'hub');
      second.publish(7, readings, { topic: TELEMETRY, dup: true });
      second.publish(8, '{"A":{"n":3},"C":{"n":4}}', { topic: TELEMETRY, dup: true });
      second.publish(9, readings, { topic: TELEMETRY });
      await second.acknowledgements(3);
      expect(valuesOf(await fixture.recordsOf('A'))).toEqual([1, 3, 1]);
      expect(valuesOf(await fixture.recordsOf('B'))).toEqual([2, 2]);
      expect(valuesOf(await fixture.recordsOf('C'))).toEqual([4]);
      second.drop();
    },
  );

  it('keeps the good parts of a message, and the bad ones as dead letters of their children', async () => {
    const fixture = await start();
    const client = await fixture.connect('hub', { protocolVersion: 5 });
    const sent = client.publishAsync(TELEMETRY, '{"A":{"n":1},"B":{"n":null},"C":[{"n":3}]}', { qos: 1 });
    await expect(sent).rejects.toMatchObject({ code: 0x99 });
    expect(valuesOf(await fixture.recordsOf('A'))).toEqual([1]);
    expect(valuesOf(await fixture.recordsOf('C'))).toEqual([3]);
    const letters = (await fixture.recordsOf('B')).flatMap(({ message }) =>
      message.kind === 'deadLetter' ? [[message.code, Buffer.from(message.payloadBase64, 'base64').toString()]] : [],
    );
    expect(letters).toEqual([['TELEMETRY_VALUE_INVALID', '{"B":{"n":null}}']]);
    await client.endAsync();
  });

  it('may not speak for a device that is not its child, nor for more than it may', async () => {
    const fixture = await start({ settings: { childrenMax: 3, childrenOpenMax: 2 } });
    await fixture.addDevice('foreign');
    const client = await fixture.connect('hub', { protocolVersion: 5 });
    const send = (payload: string) => client.publishAsync(TELEMETRY, payload, { qos: 1 });
    await expect(send('{"foreign":{"n":1},"A":{"n":2},"hub":{"n":3},"not a name":{"n":4}}')).rejects.toMatchObject({
      code: 0x87,
    });
    expect(valuesOf(await fixture.recordsOf('A'))).toEqual([2]);
    expect(await fixture.recordsOf('foreign')).toEqual([]);
    await send('{"B":{"n":1}}');
    await expect(send('{"C":{"n":1},"A":{"n":5}}')).rejects.toMatchObject({ code: 0x97 });
    await client.publishAsync('v1/gateway/disconnect', '{"device":"B"}', { qos: 1 });
    await send('{"C":{"n":1}}');
    await client.publishAsync('v1/gateway/disconnect', '{"device":"C"}', { qos: 1 });
    await expect(client.publishAsync('v1/gateway/connect', '{"device":"D"}', { qos: 1 })).rejects.toMatchObject({
      code: 0x97,
    });
    expect(await fixture.registry.findDevice(TENANT, 'D' as DeviceId)).toBeNull();
    expect(valuesOf(await fixture.recordsOf('A'))).toEqual([2, 5]);
    const letters = (await fixture.recordsOf('hub')).flatMap(({ message }) =>
      message.kind === 'deadLetter' ? [[message.code, Buffer.from(message.payloadBase64, 'base64').toString()]] : [],
    );
    expect(letters).toEqual([
      ['CHILD_REFUSED', '{"foreign":{"n":1},"hub":{"n":3},"not a name":{"n":4}}'],
      ['CHILDREN_LIMIT', '{"C":{"n":1}}'],
      ['CHILDREN_LIMIT', '{"D":{}}'],
    ]);
    await client.endAsync();
  });

  it('must be registered as one: MQTT 5 is told, 3.1.1 finds a dead letter and stays connected', async () => {
    const fixture = await start();
    await fixture.addDevice('plain');
    const five = await fixture.connect('plain', { protocolVersion: 5 });
    await expect(five.publishAsync(TELEMETRY, '{"A":{"n":1}}', { qos: 1 })).rejects.toMatchObject({ code: 0x87 });
    await expect(five.subscribeAsync('v1/gateway/attributes')).rejects.toThrow();
    await five.endAsync();
    const four = await fixture.connect('plain', { protocolVersion: 4 });
    await four.publishAsync(TELEMETRY, '{"A":{"n":1}}', { qos: 1 });
    await four.publishAsync('v1/devices/me/telemetry', '{"n":1}', { qos: 1 });
    const codes = (await fixture.recordsOf('plain')).flatMap(({ message }) =>
      message.kind === 'deadLetter' ? [message.code] : [],
    );
    expect(codes).toEqual(['NOT_A_GATEWAY', 'NOT_A_GATEWAY']);
    expect(await fixture.registry.findDevice(TENANT, 'A' as DeviceId)).toBeNull();
    await four.endAsync();
  });

  it.each([
    ['rpc', '{"device":"A","data":{}}', 0x99],
    ['claim', '{"A":{"secretKey":"x","durationMs":1}}', 0x90],
    ['telemetry', '[1]', 0x99],
    ['telemetry', '{}', 0x99],
    ['connect', '{"name":"A"}', 0x99],
    ['attributes/request', '{"id":1,"device":"A"}', 0x99],
    ['attributes/request', '{"id":-1,"device":"A","key":"k"}', 0x99],
  ] as const)('is told that v1/gateway/%s %s cannot be used', async (tail, payload, code) => {
    const fixture = await start();
    const client = await fixture.connect('hub', { protocolVersion: 5 });
    await expect(client.publishAsync(`v1/gateway/${tail}`, payload, { qos: 1 })).rejects.toMatchObject({ code });
    expect(await kindsOf(fixture, 'hub')).toEqual(['1 sessionOpened', '1 deadLetter']);
    await client.endAsync();
  });

  it('is sent what is for a child in the form of the gateway API', async () => {
    const fixture = await start();
    const client = await fixture.connect('hub');
    const received: unknown[] = [];
    client.on('message', (topic, payload) => received.push([topic, JSON.parse(payload.toString())]));
    await client.publishAsync('v1/gateway/connect', '{"device":"A"}', { qos: 1 });
    expect((await kindsOf(fixture, 'A')).at(-1)).toBe('1 sessionOpened');
    await client.subscribeAsync(['v1/gateway/attributes', 'v1/gateway/attributes/response'], { qos: 1 });
    await until('A to ask for its delta', async () => (await kindsOf(fixture, 'A')).includes('1 desiredSubscribed'));
    await client.publishAsync('v1/gateway/connect', '{"device":"B"}', { qos: 1 });
    await until('B to ask for its delta', async () => (await kindsOf(fixture, 'B')).includes('1 desiredSubscribed'));
    const request = '{"id":7,"device":"A","client":true,"keys":["fw","hw"]}';
    await client.publishAsync('v1/gateway/attributes/request', request, { qos: 1 });
    const asked = (await fixture.recordsOf('A')).find(({ message }) => message.kind === 'getAttributes');
    expect(asked?.message).toEqual({ kind: 'getAttributes', requestId: 7, clientKeys: ['fw', 'hw'] });
    await downlink(fixture, 'twin/desired', { $version: 1, interval: 5 });
    await downlink(fixture, 'attributes/response/7', { client: { fw: '1', hw: null } });
    await downlink(fixture, 'attributes/response/8', { shared: { interval: 5 } });
    await downlink(fixture, 'twin/reported/accepted', { $version: 1 });
    await until('all to be confirmed', () => fixture.confirmed.length === 4);
    expect(received).toEqual([
      ['v1/gateway/attributes', { device: 'A', data: { $version: 1, interval: 5 } }],
      ['v1/gateway/attributes/response', { id: 7, device: 'A', values: { fw: '1', hw: null } }],
      ['v1/gateway/attributes/response', { id: 8, device: 'A', value: 5, values: { interval: 5 } }],
    ]);
    await client.endAsync();
  });

  const downlink = async (fixture: GatewayFixture, topic: string, payload: object): Promise<void> => {
    const key = keyOf('A');
    const partition = partitionOfDevice(key);
    const [entry] = await fixture.directory.find(partition, [key]);
    if (entry === null || entry === undefined) throw new Error('A has no session');
    const { sessionEpoch, gatewayId } = entry;
    const message = { topic, qos: 1, payload: JSON.stringify(payload), twinVersion: 1 } as const;
    const at = { outboxId: `${topic}`, partition, epoch: '1:x' as Epoch, key, sessionEpoch };
    await fixture.downlinks.send(gatewayId, [{ kind: 'downlink', downlink: { ...at, ...message } }]);
  };

  it('loses one child when that is deleted, moved or seen elsewhere, and keeps the others', async () => {
    const fixture = await start();
    await addGateway(fixture, 'hub-2');
    const client = await fixture.connect('hub', { protocolVersion: 5 });
    await client.publishAsync(TELEMETRY, '{"A":{"n":1},"B":{"n":1},"C":{"n":1}}', { qos: 1 });
    await fixture.registry.deleteDevice(TENANT, 'A' as DeviceId);
    const move = { profile: { via: 'hub-2' as DeviceId }, childrenMax: 9 };
    await fixture.registry.updateProfile(TENANT, 'B' as DeviceId, move);
    await until('both to be closed', async () => (await openIn(fixture)).join() === 'C,hub');
    const other = await fixture.connect('hub-2', { protocolVersion: 5 });
    await other.publishAsync(TELEMETRY, '{"B":{"n":2}}', { qos: 1 });
    const late = client.publishAsync(TELEMETRY, '{"B":{"n":3},"C":{"n":3}}', { qos: 1 });
    await expect(late).rejects.toMatchObject({ code: 0x87 });
    expect(valuesOf(await fixture.recordsOf('B'))).toEqual([1, 2]);
    expect(valuesOf(await fixture.recordsOf('C'))).toEqual([1, 3]);
    // A child with a token of its own is one device: its connection takes the session over.
    await fixture.registry.rotateToken(TENANT, 'C' as DeviceId, hashOfToken('token-C'));
    const direct = await fixture.connect('C', { protocolVersion: 5 });
    await until('the session to be taken over', async () =>
      (await fixture.recordsOf('C')).some(
        ({ message, sessionEpoch }) => sessionEpoch === 1 && message.kind === 'sessionClosed',
      ),
    );
    expect(await openIn(fixture)).toEqual(['B', 'C', 'hub', 'hub-2']);
    await direct.endAsync();
    await client.endAsync();
    await other.endAsync();
    await until('all to be closed', async () => (await openIn(fixture)).length === 0);
  });

  it('takes its children with it when it is revoked, or is no gateway any more', async () => {
    const fixture = await start();
    const client = await RawClient.open(fixture.ports.mqtt, 'hub');
    client.publish(1, '{"A":{"n":1},"B":{"n":1}}', { topic: TELEMETRY });
    await client.acknowledgements(1);
    const change = { profile: { isGateway: false }, childrenMax: 9 };
    await fixture.registry.updateProfile(TENANT, 'hub' as DeviceId, change);
    await until('the connection to be closed', () => client.closed);
    await until('all to be closed', async () => (await openIn(fixture)).length === 0);
    let again = await RawClient.open(fixture.ports.mqtt, 'hub', 5);
    if (!again.accepted) again = await RawClient.open(fixture.ports.mqtt, 'hub', 5);
    again.publish(2, '{"A":{"n":2}}', { topic: TELEMETRY });
    await again.acknowledgements(1);
    expect(valuesOf(await fixture.recordsOf('A'))).toEqual([1]);
    again.drop();
  });

  it('stores nothing behind a message whose children could not be opened', async () => {
    const fixture = await start();
    const client = await RawClient.open(fixture.ports.mqtt, 'hub');
    const { registry } = fixture;
    const findDevice = registry.findDevice.bind(registry);
    let failures = 1;
    registry.findDevice = (tenant, device) =>
      device === 'A' && failures-- > 0 ? Promise.reject(new Error('the registry is away')) : findDevice(tenant, device);
    client.publish(1, '{"A":{"n":1},"B":{"n":1}}', { topic: TELEMETRY });
    client.publish(2, '{"B":{"n":2}}', { topic: TELEMETRY });
    await until('the connection to be closed', () => client.closed);
    expect(client.acknowledged()).toEqual([]);
    await until('all to be closed', async () => (await openIn(fixture)).length === 0);
    const again = await RawClient.open(fixture.ports.mqtt, 'hub');
    again.publish(1, '{"A":{"n":1},"B":{"n":1}}', { topic: TELEMETRY, dup: true });
    again.publish(2, '{"B":{"n":2}}', { topic: TELEMETRY, dup: true });
    await again.acknowledgements(2);
    expect(valuesOf(await fixture.recordsOf('A'))).toEqual([1]);
    expect(valuesOf(await fixture.recordsOf('B'))).toEqual([1, 2]);
    again.drop();
  });
});
