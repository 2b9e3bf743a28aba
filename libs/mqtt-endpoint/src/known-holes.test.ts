import { describe, expect, it } from '@jest/globals';
import { createFixture, settled } from './testing/endpoint-fixture.ts';

/**
 * Holes that were measured in another MQTT server for Node, by the names of docs/adr/0004-own-mqtt-engine.md: packets
 * that ended its process (C), that let a client keep memory or get what is not his (S), and that lost or mixed up
 * messages (L).
 */
const builtInNames = ['constructor', 'toString', '__proto__', 'hasOwnProperty'];

describe('known holes', () => {
  it('C1: CONNECT with Session Expiry twice is refused', async () => {
    const { client } = createFixture();
    const hostile = client();
    hostile.input.receive(Buffer.from('101900044d5154540502003c0a11000000011100000002000164', 'hex').fill(0x18, 1, 2));
    await settled();
    expect(hostile.heard()).toEqual(['connack 0x82']);
  });

  it('C2: DISCONNECT with Session Expiry twice is refused', async () => {
    const { connect } = createFixture();
    const hostile = await connect({ properties: { sessionExpiryInterval: 5 } });
    hostile.input.receive(Buffer.from('e00c000a11000000011100000002', 'hex'));
    expect(hostile.heard()).toEqual(['connack', 'disconnect 0x82']);
  });

  it('C3: filters named like properties of every object are plain strings', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect();
    const subscriptions = builtInNames.map((topic) => ({ topic, qos: 1 as const }));
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['valueOf', ...builtInNames] });
    await settled();
    expect(client.received()).toMatchObject([
      { cmd: 'connack' },
      { cmd: 'suback', granted: [1, 1, 1, 1] },
      { cmd: 'unsuback', granted: [0x11, 0, 0, 0, 0] },
    ]);
    expect(endpoint.session('d1')?.subscriptions().size).toBe(0);
  });

  it.each(builtInNames)('C4: client id %s is a plain string', async (clientId) => {
    const { connect, host, endpoint } = createFixture();
    await connect({ clientId });
    const second = await connect({ clientId });
    expect(second.heard()).toEqual(['connack']);
    expect(host.calls.at(-2)).toBe(`closed ${clientId} ${clientId} takenOver`);
    expect(endpoint.session(clientId)).not.toBeNull();
    expect(endpoint.session('valueOf')).toBeNull();
  });

  it('S1: a denied filter next to an allowed one is not stored', async () => {
    const { connect, host, endpoint } = createFixture();
    host.maySubscribeTo = (filter) => filter === 'mine';
    const client = await connect({ clean: false, properties: { sessionExpiryInterval: 600 } });
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: 'mine', qos: 1 },
        { topic: 'theirs', qos: 1 },
      ],
    });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ granted: [1, 0x87] });
    expect([...(endpoint.session('d1')?.subscriptions() ?? [])]).toEqual([['mine', 1]]);
  });

  it('S2: QoS 2 publishes without PUBREL end at the receive maximum', async () => {
    const { connect, host, endpoint } = createFixture({ publishesPerSecondMax: 1e9 });
    host.storesAtOnce = true;
    const client = await connect();
    for (let id = 1; id <= 40_000 && client.transport.state === 'open'; id++) {
      client.publish(id, { qos: 2, payload: 'x'.repeat(2_000) });
      await Promise.resolve();
    }
    expect(host.publishes).toHaveLength(20);
    expect(client.heard().at(-1)).toBe('disconnect 0x93');
    // The clean session has ended with its connection, and all it held with it.
    expect([endpoint.session('d1'), [...endpoint.detachedSessions()]]).toEqual([null, []]);
    const next = await connect();
    next.send({ cmd: 'pubrel', messageId: 1 });
    await settled();
    expect(next.heard()).toEqual(['connack', 'pubcomp 1 0x92']);
  });

  it.each([
    ['that ended with its connection', null],
    ['that clean start ends', {}],
  ])('L1: a QoS 2 id left over from an older session %s is a new message', async (_which, sessions) => {
    const { connect, host } = createFixture({}, sessions);
    host.storesAtOnce = true;
    const first = await connect({ clean: false, properties: { sessionExpiryInterval: 600 } });
    first.publish(7, { qos: 2 });
    await settled();
    first.input.transportClosed();
    const second = await connect({ clean: true });
    second.publish(7, { qos: 2, payload: 'new' });
    await settled();
    expect(host.publishes).toHaveLength(2);
    expect(second.heard()).toEqual(['connack', 'pubrec 7']);
  });

  it('L2: a message sent before CONNACK has one id, and its PUBACK settles it', async () => {
    const { connect, host, endpoint } = createFixture();
    let open = (): void => undefined;
    host.opening = new Promise((resolve) => {
      open = resolve;
    });
    const client = await connect();
    const delivery = endpoint.session('d1')?.send({ topic: 't', payload: Buffer.alloc(1), qos: 1 });
    open();
    await settled();
    const [, publish] = client.received();
    client.send({ cmd: 'puback', messageId: publish?.messageId ?? 0, reasonCode: 0 });
    await expect(delivery).resolves.toEqual({ kind: 'delivered', reasonCode: 0 });
    client.input.transportClosed();
    expect((await connect()).heard()).toEqual(['connack']);
  });

  it('L3: no two messages share an id, and what an older connection had in flight is settled', async () => {
    const { connect, endpoint } = createFixture();
    const first = await connect();
    const old = endpoint.session('d1')?.send({ topic: 't', payload: Buffer.alloc(1), qos: 1 });
    const second = await connect();
    await expect(old).resolves.toEqual({ kind: 'notDelivered', reason: 'sessionEnded' });
    const sends = Array.from({ length: 20 }, () =>
      endpoint.session('d1')?.send({ topic: 't', payload: Buffer.alloc(1), qos: 1 }),
    );
    await settled();
    const ids = second.received().flatMap((packet) => (packet.cmd === 'publish' ? [packet.messageId] : []));
    expect(new Set(ids).size).toBe(20);
    // A late PUBACK of the older connection settles nothing here.
    first.send({ cmd: 'puback', messageId: 1, reasonCode: 0 });
    const firstOutcome = await Promise.race([sends[0], settled().then(() => 'open')]);
    expect(firstOutcome).toBe('open');
  });
});

describe('a host that never answers', () => {
  it.each([4, 5] as const)(
    'does not stop pings, and the client is not closed (version %d)',
    async (protocolVersion) => {
      const { connect, endpoint, advance } = createFixture();
      const client = await connect({ protocolVersion, keepalive: 10 });
      for (let id = 1; id <= 10; id++) client.publish(id);
      for (let round = 0; round < 10; round++) {
        advance(10_000);
        client.send({ cmd: 'pingreq' });
        endpoint.sweep();
      }
      await settled();
      expect(client.heard().filter((packet) => packet === 'pingresp')).toHaveLength(10);
      expect(client.transport.state).toBe('open');
    },
  );
});
