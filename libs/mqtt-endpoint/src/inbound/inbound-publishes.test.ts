import { describe, expect, it } from '@jest/globals';
import { createFixture, settled } from '../testing/endpoint-fixture.ts';

const stored = { kind: 'stored' } as const;
const versions = [4, 5] as const;

describe.each(versions)('acknowledgements in version %d', (protocolVersion) => {
  it('are not sent before the host has settled', async () => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1);
    client.publish(2, { qos: 2 });
    await settled();
    expect(client.heard()).toEqual(['connack']);
    host.publishAt(0).settle(stored);
    await settled();
    expect(client.heard()).toEqual(['connack', 'puback 1']);
    host.publishAt(1).settle(stored);
    await settled();
    expect(client.heard()).toEqual(['connack', 'puback 1', 'pubrec 2']);
  });

  it('leave in receive order and with one write, however the host settles', async () => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion });
    for (const id of [5, 3, 9, 4]) client.publish(id, { qos: id === 9 ? 2 : 1 });
    const writesBefore = client.transport.writes.length;
    for (const index of [3, 1, 2]) host.publishAt(index).settle(stored);
    await settled();
    expect(client.transport.writes).toHaveLength(writesBefore);
    host.publishAt(0).settle(stored);
    await settled();
    expect(client.heard()).toEqual(['connack', 'puback 5', 'puback 3', 'pubrec 9', 'puback 4']);
    expect(client.transport.writes).toHaveLength(writesBefore + 1);
    expect(client.transport.writes.at(-1)).toHaveLength(4 * 4);
  });

  it('are withheld for ever from a failed publish and from all later ones', async () => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion });
    for (const id of [1, 2, 3]) client.publish(id);
    host.publishAt(1).settle({ kind: 'failed', detail: 'log away' });
    host.publishAt(2).settle(stored);
    await settled();
    expect(client.transport.state).toBe('open');
    host.publishAt(0).settle(stored);
    await settled();
    const end = protocolVersion === 5 ? ['disconnect 0x83'] : [];
    expect(client.heard()).toEqual(['connack', 'puback 1', ...end]);
    expect(client.transport.state).toBe('ended');
    expect(host.closed).toMatchObject([{ reason: 'overloaded' }]);
  });

  it('are withheld when the host throws', async () => {
    const { host, connect, failures } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1);
    host.publishAt(0).fail(new Error('bug'));
    await settled();
    expect(client.heard()).not.toContain('puback 1');
    expect(client.transport.state).toBe('ended');
    expect(failures).toHaveLength(1);
  });

  it('carry a refusal in MQTT 5 and are plain in 3.1.1', async () => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1);
    client.publish(2, { qos: 2 });
    host.publishAt(0).settle({ kind: 'refused', reason: 'payloadFormatInvalid', detail: 'not JSON' });
    host.publishAt(1).settle({ kind: 'refused', reason: 'quotaExceeded', detail: 'too much' });
    await settled();
    const codes = protocolVersion === 5 ? ['puback 1 0x99', 'pubrec 2 0x97'] : ['puback 1', 'pubrec 2'];
    expect(client.heard()).toEqual(['connack', ...codes]);
    if (protocolVersion === 5) {
      expect(client.received().at(-1)).toMatchObject({ properties: { reasonString: 'too much' } });
    }
  });

  it('of an ended connection are ignored', async () => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1);
    client.input.transportClosed();
    host.publishAt(0).settle(stored);
    await settled();
    expect(client.heard()).toEqual(['connack']);
    expect(host.closed).toMatchObject([{ reason: 'connectionLost' }]);
  });

  it('of an ended connection do not start its reading again', async () => {
    const { host, connect, endpoint } = createFixture({ inboundBytesMax: 1 });
    const client = await connect({ protocolVersion });
    client.publish(1);
    endpoint.session('d1')?.close('revoked');
    host.publishAt(0).settle(stored);
    await settled();
    expect(client.transport).toMatchObject({ state: 'ended', isPaused: true });
  });

  it('end with the connection on a violation', async () => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1);
    host.publishAt(0).settle({ kind: 'violation', reason: 'notAuthorized', detail: 'not yours' });
    await settled();
    expect(client.heard()).toEqual(['connack', ...(protocolVersion === 5 ? ['disconnect 0x87'] : [])]);
    expect(client.transport.state).toBe('ended');
    expect(host.closed).toMatchObject([{ reason: 'protocolError' }]);
  });
});

describe('reason strings', () => {
  it('are left out when the client does not want them, or has no room', async () => {
    for (const properties of [{ requestProblemInformation: false }, { maximumPacketSize: 60 }]) {
      const { host, connect } = createFixture();
      const client = await connect({ properties });
      client.publish(1);
      host.publishAt(0).settle({ kind: 'refused', reason: 'topicNameInvalid', detail: 'x'.repeat(60) });
      await settled();
      expect(client.heard()).toEqual(['connack', 'puback 1 0x90']);
      expect(client.received().at(-1)?.length).toBe(3);
    }
  });
});

describe.each(versions)('QoS 2 in version %d', (protocolVersion) => {
  it('hands a message over once until its id is released', async () => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1, { qos: 2 });
    client.publish(1, { qos: 2, dup: true });
    expect(host.publishes).toHaveLength(1);
    host.publishAt(0).settle(stored);
    await settled();
    client.publish(1, { qos: 2, dup: true });
    await settled();
    expect(host.publishes).toHaveLength(1);
    expect(client.heard()).toEqual(['connack', 'pubrec 1', 'pubrec 1']);
    client.send({ cmd: 'pubrel', messageId: 1 });
    client.publish(1, { qos: 2 });
    await settled();
    expect(host.publishes).toHaveLength(2);
    expect(client.heard().at(-1)).toBe('pubcomp 1');
  });

  it('answers a PUBREL for an unknown id', async () => {
    const { connect } = createFixture();
    const client = await connect({ protocolVersion });
    client.send({ cmd: 'pubrel', messageId: 9 });
    await settled();
    expect(client.heard()).toEqual(['connack', protocolVersion === 5 ? 'pubcomp 9 0x92' : 'pubcomp 9']);
  });

  it('ends a connection that releases what was not received', async () => {
    const { connect, host } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1, { qos: 2 });
    client.send({ cmd: 'pubrel', messageId: 1 });
    expect(client.transport.state).toBe('ended');
    expect(host.closed).toMatchObject([{ reason: 'protocolError' }]);
  });
});

describe('a refused QoS 2 message', () => {
  it('frees its id at once in MQTT 5, after PUBREL in 3.1.1', async () => {
    const { host, connect } = createFixture();
    const refusal = { kind: 'refused', reason: 'payloadFormatInvalid', detail: 'no' } as const;
    for (const protocolVersion of versions) {
      const before = host.publishes.length;
      const client = await connect({ protocolVersion });
      client.publish(1, { qos: 2 });
      host.publishAt(before).settle(refusal);
      await settled();
      client.publish(1, { qos: 2 });
      await settled();
      expect(host.publishes.length - before).toBe(protocolVersion === 5 ? 2 : 1);
    }
  });
});

describe('back pressure', () => {
  it('disconnects a version 5 client past the receive maximum', async () => {
    const { host, connect } = createFixture({ receiveMax: 3 });
    const client = await connect();
    for (const id of [1, 2, 3]) client.publish(id, { qos: id === 2 ? 2 : 1 });
    expect(client.transport.state).toBe('open');
    client.publish(4);
    expect(client.heard().at(-1)).toBe('disconnect 0x93');
    expect(host.publishes).toHaveLength(3);
  });

  it('counts unreleased QoS 2 messages against the receive maximum', async () => {
    const { host, connect } = createFixture({ receiveMax: 2 });
    host.storesAtOnce = true;
    const client = await connect();
    client.publish(1, { qos: 2 });
    await settled();
    client.publish(2, { qos: 2 });
    await settled();
    client.publish(1, { qos: 2, dup: true });
    await settled();
    expect(client.transport.state).toBe('open');
    client.publish(3, { qos: 2 });
    expect(client.heard().at(-1)).toBe('disconnect 0x93');
  });

  it('stops reading a 3.1.1 client at the same count, in the middle of a chunk, and goes on later', async () => {
    const { host, connect } = createFixture({ receiveMax: 4 });
    const client = await connect({ protocolVersion: 4 });
    const publish = (messageId: number) =>
      ({ cmd: 'publish', topic: 't', payload: 'p', qos: 1, messageId, dup: false, retain: false }) as const;
    client.send(...[1, 2, 3, 4, 5, 6, 7].map(publish), { cmd: 'pingreq' });
    expect(host.publishes).toHaveLength(4);
    expect(client.transport.isPaused).toBe(true);
    host.publishAt(0).settle(stored);
    await settled();
    expect(client.transport.isPaused).toBe(true);
    host.publishAt(1).settle(stored);
    await settled();
    expect(host.publishes).toHaveLength(6);
    for (let index = 2; index < 7; index++) {
      host.publishAt(index).settle(stored);
      await settled();
    }
    expect(client.heard().filter((packet) => packet.startsWith('puback'))).toHaveLength(7);
    expect(client.heard()).toContain('pingresp');
    expect(client.transport.isPaused).toBe(false);
  });

  it.each(versions)('stops reading by bytes in version %d', async (protocolVersion) => {
    const { host, connect } = createFixture({ inboundBytesMax: 500 });
    const client = await connect({ protocolVersion });
    client.publish(1, { payload: 'x'.repeat(600) });
    expect(client.transport.isPaused).toBe(true);
    client.publish(2);
    expect(host.publishes).toHaveLength(1);
    host.publishAt(0).settle(stored);
    await settled();
    expect(client.transport.isPaused).toBe(false);
    expect(host.publishes).toHaveLength(2);
  });

  it.each(versions)(
    'stops reading by count of QoS 0 in version %d, and never closes for one',
    async (protocolVersion) => {
      const { host, connect } = createFixture({ receiveMax: 2 });
      const client = await connect({ protocolVersion });
      for (let count = 0; count < 5; count++) client.publish(0, { qos: 0 });
      expect(host.publishes).toHaveLength(2);
      expect(client.transport.isPaused).toBe(true);
      host.publishAt(0).settle({ kind: 'failed', detail: 'shed' });
      host.publishAt(1).settle({ kind: 'refused', reason: 'quotaExceeded', detail: 'shed' });
      await settled();
      expect(host.publishes).toHaveLength(4);
      expect(client.transport.state).toBe('open');
    },
  );

  it('reads what it already held when the peer has gone', async () => {
    const { host, connect } = createFixture({ receiveMax: 1 });
    const client = await connect({
      protocolVersion: 4,
      will: { topic: 'status', payload: Buffer.from('gone'), qos: 0, retain: false },
    });
    client.publish(1);
    client.publish(2);
    client.send({ cmd: 'disconnect' });
    client.input.transportClosed();
    expect(host.publishes).toHaveLength(2);
    expect(host.closed).toMatchObject([{ reason: 'clientDisconnected', will: null }]);
  });
});

describe('what the host gets', () => {
  it('is the message as it was sent, with aliases resolved and properties in order', async () => {
    const { host, connect } = createFixture();
    const client = await connect();
    client.send({
      cmd: 'publish',
      topic: 'v1/devices/me/telemetry',
      payload: '{"a":1}',
      qos: 1,
      messageId: 3,
      dup: true,
      retain: true,
      properties: {
        topicAlias: 2,
        contentType: 'application/json',
        userProperties: { id: 'one', constructor: ['x', 'y'], __proto__: 'z' },
      },
    });
    client.send({
      cmd: 'publish',
      topic: '',
      payload: '',
      qos: 0,
      dup: false,
      retain: false,
      properties: { topicAlias: 2 },
    });
    const [first, second] = host.publishes.map((handedOver) => handedOver.message);
    expect(first).toMatchObject({ topic: 'v1/devices/me/telemetry', dup: true, retain: true, qos: 1, packetId: 3 });
    expect(Buffer.from(first?.payload ?? []).toString()).toBe('{"a":1}');
    expect(first?.contentType).toBe('application/json');
    expect(first?.userProperties).toEqual([
      ['id', 'one'],
      ['constructor', 'x'],
      ['constructor', 'y'],
    ]);
    expect(second).toMatchObject({ topic: 'v1/devices/me/telemetry', qos: 0, packetId: 0, contentType: null });
    expect(second?.payload).toHaveLength(0);
  });
});
