import { describe, expect, it } from '@jest/globals';
import { generate } from 'mqtt-packet';
import { connectPacket, createFixture, settled } from '../testing/endpoint-fixture.ts';

describe('CONNACK', () => {
  it('tells a version 5 client all limits in force', async () => {
    const { connect } = createFixture();
    const client = await connect({ clientId: '', keepalive: 600, properties: { sessionExpiryInterval: 3_600 } });
    const [connack] = client.received();
    expect(connack).toMatchObject({
      cmd: 'connack',
      sessionPresent: false,
      reasonCode: 0,
      properties: {
        receiveMaximum: 20,
        maximumPacketSize: 4_096,
        topicAliasMaximum: 4,
        serverKeepAlive: 120,
        sessionExpiryInterval: 0,
        sharedSubscriptionAvailable: false,
        subscriptionIdentifiersAvailable: false,
      },
    });
    const properties = (connack as { properties: { assignedClientIdentifier: string } }).properties;
    expect(properties.assignedClientIdentifier).toMatch(/^auto-/);
    expect(properties).not.toHaveProperty('retainAvailable');
    expect(properties).not.toHaveProperty('maximumQoS');
  });

  it('leaves out what follows the wish of the client', async () => {
    const { connect } = createFixture();
    const [connack] = (await connect()).received();
    for (const name of ['serverKeepAlive', 'sessionExpiryInterval', 'assignedClientIdentifier']) {
      expect((connack as { properties: object }).properties).not.toHaveProperty(name);
    }
  });

  it('is four bytes for 3.1 and 3.1.1', async () => {
    const { connect } = createFixture();
    for (const protocolVersion of [3, 4] as const) {
      const client = await connect({ protocolVersion, clientId: `d${protocolVersion}` });
      expect(Buffer.concat(client.transport.writes).toString('hex')).toBe('20020000');
    }
  });

  it('comes only when the host has opened the session, and before anything the host sends', async () => {
    const { host, connect, endpoint } = createFixture();
    let open = (): void => undefined;
    host.opening = new Promise((resolve) => {
      open = resolve;
    });
    const client = await connect();
    expect(client.heard()).toEqual([]);
    const delivery = endpoint.session('d1')?.send({ topic: 't', payload: Buffer.alloc(1), qos: 0 });
    client.publish(1);
    expect(host.publishes).toHaveLength(0);
    open();
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish']);
    expect(host.publishes).toHaveLength(1);
    await expect(delivery).resolves.toEqual({ kind: 'delivered', reasonCode: 0 });
  });
});

describe('a will', () => {
  it.each([4, 5] as const)('of version %i keeps nothing in memory beside its own bytes', async (protocolVersion) => {
    const { connect, host } = createFixture();
    const properties = protocolVersion === 5 ? { properties: { correlationData: Buffer.from('which') } } : {};
    const will = { topic: 'gone', payload: Buffer.from('bye'), qos: 1 as const, retain: false, ...properties };
    const client = await connect({ protocolVersion, will });
    client.input.transportClosed();
    const said = host.closed[0]?.will;
    expect(Buffer.from(said!.payload).toString()).toBe('bye');
    for (const bytes of [said!.payload, said!.correlationData])
      expect(bytes?.buffer.byteLength).toBe(bytes?.byteLength);
  });
});

describe('a client that takes no packet as large as CONNACK', () => {
  it('is closed without one', async () => {
    const { connect, host, endpoint } = createFixture();
    const client = await connect({ properties: { maximumPacketSize: 2 } });
    expect(client.transport).toMatchObject({ state: 'ended', writes: [] });
    expect(host.closed).toMatchObject([{ reason: 'protocolError', will: null }]);
    expect(endpoint.connectionCount).toBe(0);
  });
});

describe('a refused CONNECT', () => {
  it.each([
    ['badCredentials', 0x86, 4],
    ['notAuthorized', 0x87, 5],
    ['banned', 0x8a, 5],
    ['serverBusy', 0x89, 3],
    ['serverUnavailable', 0x88, 3],
    ['clientIdInvalid', 0x85, 2],
  ] as const)('%s is answered and closed', async (reason, reasonCode, returnCode) => {
    const { host, connect } = createFixture();
    host.refusal = { kind: 'refused', reason, detail: 'because' };
    const five = await connect();
    expect(five.received()).toMatchObject([{ cmd: 'connack', reasonCode, properties: { reasonString: 'because' } }]);
    expect(five.transport.state).toBe('ended');
    const four = await connect({ protocolVersion: 4 });
    expect(four.received()).toMatchObject([{ cmd: 'connack', returnCode }]);
    expect(host.calls).toEqual([]);
  });

  it('is 0x88 when the host throws', async () => {
    const { host, connect, failures } = createFixture();
    host.authentication = Promise.reject(new Error('store away'));
    const client = await connect();
    expect(client.heard()).toEqual(['connack 0x88']);
    host.authentication = Promise.resolve();
    host.opening = Promise.reject(new Error('store away'));
    expect((await connect()).heard()).toEqual(['connack 0x88']);
    expect(failures).toHaveLength(2);
    expect(host.closed).toEqual([]);
  });

  it('is 0x89 over the limit of connections, which then has room again', async () => {
    const { connect, endpoint } = createFixture({ connectionsMax: 1 });
    const first = await connect({ clientId: 'a' });
    const second = await connect({ clientId: 'b' });
    expect(second.heard()).toEqual(['connack 0x89']);
    first.input.transportClosed();
    expect(endpoint.connectionCount).toBe(0);
    expect((await connect({ clientId: 'b' })).heard()).toEqual(['connack']);
  });

  it('does not even get a read when far too many wait', () => {
    const { client } = createFixture({ connectionsMax: 0 });
    const states = Array.from({ length: 300 }, () => client().transport.state);
    expect(states.filter((state) => state === 'destroyed')).toHaveLength(300 - 256);
  });

  it('names the protocol version when it cannot be spoken', () => {
    const { client } = createFixture();
    for (const level of [0, 3, 6, 131, 132]) {
      const old = client(4);
      old.sendBytes(0x10, 12, 0, 4, 77, 81, 84, 84, level, 2, 0, 0, 0, 0);
      expect(old.transport.writes.map((bytes) => bytes.toString('hex'))).toEqual(['20020001']);
    }
  });

  it('needs a client id where the version does', async () => {
    const { connect, client } = createFixture();
    const persistent = client(4);
    // The codec's writer refuses to write this, so it is put together by hand.
    persistent.sendBytes(0x10, 12, 0, 4, 77, 81, 84, 84, 4, 0, 0, 0, 0, 0);
    expect(persistent.received()).toMatchObject([{ cmd: 'connack', returnCode: 2 }]);
    const clean = await connect({ protocolVersion: 4, clientId: '', clean: true });
    expect(clean.received()).toMatchObject([{ cmd: 'connack', returnCode: 0 }]);
  });

  it('is 0x8c for enhanced authentication', async () => {
    const { connect } = createFixture();
    const client = await connect({ properties: { authenticationMethod: 'SCRAM' } });
    expect(client.heard()).toEqual(['connack 0x8c']);
  });

  it('is never larger than the client takes', async () => {
    const { host, connect } = createFixture();
    host.refusal = { kind: 'refused', reason: 'notAuthorized', detail: 'x'.repeat(200) };
    const client = await connect({ properties: { maximumPacketSize: 30 } });
    expect(client.heard()).toEqual([]);
    expect(client.transport.state).toBe('ended');
  });
});

describe('before CONNECT', () => {
  it.each([
    ['another packet', 'c000'],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n').toString('hex')],
    ['another name', '100c00044d515458040200000000'],
    ['reserved header bits', '110c00044d515454040200000000'],
  ])('%s closes without a word', (_name, bytes) => {
    const { client, endpoint } = createFixture();
    const stranger = client();
    stranger.input.receive(Buffer.from(bytes, 'hex'));
    expect(stranger.transport).toMatchObject({ state: 'ended', writes: [] });
    expect(endpoint.connectionCount).toBe(0);
  });

  it('the limit of the packet size holds', () => {
    const { client } = createFixture();
    const stranger = client();
    stranger.sendBytes(0x10, 0xff, 0x7f);
    expect(stranger.transport).toMatchObject({ state: 'ended', writes: [] });
  });
});

describe('packets that follow CONNECT at once', () => {
  it('wait for the authentication and are then read in order', async () => {
    const { host, client } = createFixture();
    const eager = client();
    eager.send(
      connectPacket(),
      { cmd: 'publish', topic: 't', payload: 'p', qos: 1, messageId: 1, dup: false, retain: false },
      { cmd: 'pingreq' },
    );
    expect(eager.transport.isPaused).toBe(true);
    expect(host.publishes).toHaveLength(0);
    await settled();
    expect(host.publishes).toHaveLength(1);
    expect(eager.heard()).toEqual(['connack', 'pingresp']);
  });

  it('are not kept without limit when the transport does not stop', async () => {
    const { host, client } = createFixture();
    host.authentication = new Promise(() => undefined);
    const flood = client();
    flood.send(connectPacket());
    for (let count = 0; count < 20 && flood.transport.state === 'open'; count++) {
      flood.input.receive(Buffer.alloc(100_000));
    }
    expect(flood.transport.state).toBe('ended');
    await settled();
  });

  it('go with a client that leaves meanwhile', async () => {
    const { host, client } = createFixture();
    const fickle = client();
    fickle.input.receive(generate(connectPacket()));
    fickle.input.transportClosed();
    await settled();
    expect(host.calls).toEqual([]);
  });
});

describe('MQTT 3.1', () => {
  it('publishes and subscribes', async () => {
    const { host, connect } = createFixture();
    host.storesAtOnce = true;
    const client = await connect({ protocolVersion: 3 });
    client.publish(1);
    client.send({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: 'a', qos: 2 }] });
    await settled();
    expect(client.heard()).toEqual(['connack', 'suback 2', 'puback 1']);
  });

  it('may set DUP on what it sends again', async () => {
    const { connect } = createFixture();
    const client = await connect({ protocolVersion: 3 });
    client.sendBytes(0x6a, 2, 0, 1);
    client.sendBytes(0x8a, 6, 0, 2, 0, 1, 97, 1);
    client.sendBytes(0xaa, 5, 0, 3, 0, 1, 97);
    await settled();
    expect(client.heard()).toEqual(['connack', 'pubcomp 1', 'suback 2', 'unsuback 3']);
    const later = await connect({ protocolVersion: 4, clientId: 'later' });
    later.sendBytes(0x6a, 2, 0, 1);
    expect(later.transport.state).toBe('ended');
  });
});
