import { describe, expect, it } from '@jest/globals';
import { parser as createParser, type Packet } from 'mqtt-packet';
import { OutboundAliases } from '../outbound/outbound-aliases.ts';
import { encodePublish, publishBytes } from './publish-encoder.ts';
import { createFixture, settled } from '../testing/endpoint-fixture.ts';

const properties = {
  payloadFormatIndicator: true,
  contentType: 'application/json',
  responseTopic: 'answers/here',
  correlationData: Buffer.from([0, 255]),
  userProperties: [
    ['b', '1'],
    ['__proto__', 'x'],
    ['b', '2'],
  ] as const,
};

describe('a PUBLISH to an MQTT 5 client', () => {
  it('carries every property, and has the size that was foretold', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect();
    const message = { topic: 'down', payload: Buffer.from('{}'), qos: 1, retain: true, ...properties } as const;
    void endpoint.session('d1')?.send({ ...message, expiryMs: 1_500 });
    await settled();
    expect(client.received().at(-1)).toMatchObject({
      retain: true,
      properties: {
        payloadFormatIndicator: true,
        contentType: 'application/json',
        responseTopic: 'answers/here',
        correlationData: Buffer.from([0, 255]),
        messageExpiryInterval: 2,
      },
    });
    const wire = client.transport.writes.at(-1) as Buffer;
    expect(wire).toHaveLength(publishBytes(message, { version: 5, qos: 1 }, true));
    // On the wire the pairs are in their order, whatever their names are.
    expect(wire.toString('latin1')).toContain('&\0\u0001b\0\u00011&\0\t__proto__\0\u0001x&\0\u0001b\0\u00012');
  });

  it('is plain for an older client', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect({ protocolVersion: 4 });
    void endpoint.session('d1')?.send({ topic: 'down', payload: Buffer.from('x'), qos: 0, ...properties });
    await settled();
    expect(client.transport.writes.at(-1)?.toString('latin1')).toBe('0\u0007\0\u0004downx');
  });

  it('is read by the codec as it was meant, at every length of its size field', () => {
    for (const size of [0, 100, 127, 200, 16_300, 16_400, 2_097_100, 2_097_200]) {
      const body = { topic: 't', payload: Buffer.alloc(size, 7) };
      const header = { version: 5, qos: 2, dup: true, packetId: 515, expirySeconds: null, alias: null } as const;
      const bytes = encodePublish(body, header);
      expect(bytes).toHaveLength(publishBytes(body, header, false));
      const packets: Packet[] = [];
      const parser = createParser({ protocolVersion: 5 });
      parser.on('packet', (packet) => packets.push(packet));
      parser.parse(bytes);
      expect(packets).toMatchObject([{ cmd: 'publish', qos: 2, dup: true, messageId: 515, topic: 't' }]);
      expect((packets[0] as { payload: Buffer }).payload).toHaveLength(size);
    }
  });
});

describe('a PUBLISH from an MQTT 5 client', () => {
  it('brings what it says about itself', async () => {
    const { connect, host } = createFixture();
    const client = await connect();
    const { userProperties: _unordered, ...rest } = properties;
    client.send({
      cmd: 'publish',
      topic: 'up',
      payload: 'x',
      qos: 0,
      dup: false,
      retain: false,
      properties: { ...rest, messageExpiryInterval: 9 },
    });
    expect(host.publishAt(0).message).toMatchObject({ ...rest, messageExpiryMs: 9_000 });
  });

  it('is acknowledged with 0x10 when nobody takes it', async () => {
    const { connect, host } = createFixture();
    for (const protocolVersion of [4, 5] as const) {
      const client = await connect({ protocolVersion });
      const before = host.publishes.length;
      client.publish(1);
      client.publish(2, { qos: 2 });
      for (const index of [before, before + 1]) {
        host.publishAt(index).settle({ kind: 'stored', hasNoSubscribers: true });
      }
      await settled();
      const code = protocolVersion === 5 ? ' 0x10' : '';
      expect(client.heard()).toEqual(['connack', `puback 1${code}`, `pubrec 2${code}`]);
    }
  });
});

describe('a will', () => {
  it('keeps its own properties apart from those of its CONNECT', async () => {
    const { connect, host } = createFixture();
    const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1, retain: false } as const;
    const client = await connect({
      will: { ...will, properties: { contentType: 'text', userProperties: { a: '1' }, messageExpiryInterval: 3 } },
      properties: { userProperties: { not: 'this' } },
    });
    client.input.transportClosed();
    expect(host.closed[0]?.will).toMatchObject({
      ...will,
      contentType: 'text',
      messageExpiryMs: 3_000,
      userProperties: [['a', '1']],
    });
  });
});

describe('topic aliases to a client', () => {
  it('are set once per topic, up to the lesser limit, and then replace it', async () => {
    const { connect, endpoint } = createFixture({ outboundTopicAliasMax: 2 });
    const client = await connect({ properties: { topicAliasMaximum: 9 } });
    for (const topic of ['a/b', 'a/b', 'c', 'd', 'c']) {
      void endpoint.session('d1')?.send({ topic, payload: Buffer.alloc(0), qos: 0 });
    }
    await settled();
    const sent = client.received().slice(1) as { topic: string; properties?: { topicAlias?: number } }[];
    expect(sent.map(({ topic, properties: own }) => [topic, own?.topicAlias])).toEqual([
      ['a/b', 1],
      ['', 1],
      ['c', 2],
      ['d', undefined],
      ['', 2],
    ]);
  });

  it('never make a packet larger than the client takes', async () => {
    const { connect, endpoint } = createFixture({ outboundTopicAliasMax: 2 });
    const client = await connect({ properties: { topicAliasMaximum: 9, maximumPacketSize: 40 } });
    // 40 bytes in all: there is no room for the three of an alias.
    void endpoint.session('d1')?.send({ topic: 't', payload: Buffer.alloc(34), qos: 0 });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ cmd: 'publish', topic: 't', length: 38 });
  });

  it('are not used by default, nor without the wish of the client', () => {
    expect(new OutboundAliases(0).take('t')).toBeNull();
  });
});
