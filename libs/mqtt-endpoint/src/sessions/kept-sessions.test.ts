import { describe, expect, it } from '@jest/globals';
import type { DeliveryOutcome, OutboundMessage } from '../endpoint-host.ts';
import { createFixture, type Fixture, settled } from '../testing/endpoint-fixture.ts';

const kept = { clean: false, properties: { sessionExpiryInterval: 600 } } as const;
const stored = { kind: 'stored' } as const;

function send(fixture: Fixture, options: Partial<OutboundMessage> = {}): DeliveryOutcome[] {
  const outcomes: DeliveryOutcome[] = [];
  const { endpoint } = fixture;
  const session = endpoint.session('d1') ?? [...endpoint.detachedSessions()][0];
  const message = { topic: 'down', payload: Buffer.from('x'), qos: 1, ...options } as const;
  void session?.send(message).then((outcome) => outcomes.push(outcome));
  return outcomes;
}

describe('session present', () => {
  it('is told exactly when the session is there', async () => {
    const { connect, advance, endpoint, observed } = createFixture({}, {});
    const present = async (options: object): Promise<boolean> => {
      const client = await connect(options);
      return (client.received()[0] as { sessionPresent: boolean }).sessionPresent;
    };
    expect(await present(kept)).toBe(false);
    expect(await present(kept)).toBe(true);
    expect(await present({ ...kept, clean: true })).toBe(false);
    expect(await present({ clean: false })).toBe(true);
    // The expiry of the last CONNECT was 0, so its session ended with it.
    expect(await present(kept)).toBe(false);
    endpoint.session('d1')?.close('overloaded');
    advance(599_999);
    endpoint.sweep();
    expect(await present(kept)).toBe(true);
    endpoint.session('d1')?.close('overloaded');
    advance(600_000);
    expect(await present(kept)).toBe(false);
    expect(await present({ clean: false, protocolVersion: 4 })).toBe(true);
    expect(await present({ clean: true, protocolVersion: 4 })).toBe(false);
    expect(observed).toEqual([
      'resumed',
      'ended cleanStart',
      'resumed',
      'resumed',
      'ended expired',
      'resumed',
      'ended cleanStart',
    ]);
  });

  it('is 0 for MQTT 3.1, whose session goes on nevertheless', async () => {
    const { connect, endpoint } = createFixture({}, {});
    const old = { clean: false, protocolVersion: 3 } as const;
    await connect(old);
    const client = await connect(old);
    expect(Buffer.concat(client.transport.writes).toString('hex')).toBe('20020000');
    expect(endpoint.session('d1')?.isResumed).toBe(true);
  });

  it('tells a client that asks for more what it gets', async () => {
    const { connect } = createFixture({}, { expiryMaxMs: 60_000 });
    const expiries: unknown[] = [];
    for (const sessionExpiryInterval of [59, 60, 61, 0xffff_ffff]) {
      const [connack] = (await connect({ properties: { sessionExpiryInterval } })).received();
      expiries.push((connack as { properties: { sessionExpiryInterval?: number } }).properties.sessionExpiryInterval);
    }
    expect(expiries).toEqual([undefined, undefined, 60, 60]);
  });

  it('follows the expiry of DISCONNECT', async () => {
    const { connect, host } = createFixture({}, {});
    const first = await connect(kept);
    first.send({ cmd: 'disconnect', properties: { sessionExpiryInterval: 0 } });
    expect((await connect(kept)).received()[0]).toMatchObject({ sessionPresent: false });
    expect(host.opened.map(({ isResumed }) => isResumed)).toEqual([false, false]);
  });
});

describe('a session that outlives its connection', () => {
  it('keeps its filters, as far as they are still allowed', async () => {
    const { connect, host, endpoint } = createFixture({}, {});
    const client = await connect(kept);
    const subscriptions = ['a', 'b'].map((topic) => ({ topic, qos: 1 as const }));
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
    client.input.transportClosed();
    expect([...endpoint.detachedSessions()].map((session) => [...session.subscriptions().keys()])).toEqual([
      ['a', 'b'],
    ]);
    host.maySubscribeTo = (filter) => filter === 'a';
    await connect(kept);
    expect([...(endpoint.session('d1')?.subscriptions() ?? [])]).toEqual([['a', 1]]);
    expect(host.subscribedFilters).toHaveLength(1);
  });

  it('sends again what was not acknowledged, first, with its packet id and DUP', async () => {
    const fixture = createFixture({}, {});
    const first = await fixture.connect(kept);
    const outcomes = [send(fixture), send(fixture, { qos: 2 }), send(fixture, { qos: 2 })];
    await settled();
    first.send({ cmd: 'pubrec', messageId: 3 });
    first.input.transportClosed();
    const late = send(fixture);
    // An answer of the older connection means nothing any more.
    first.send({ cmd: 'puback', messageId: 1 });
    const second = await fixture.connect(kept);
    expect(second.heard()).toEqual(['connack', 'publish 1', 'publish 2', 'pubrel 3', 'publish 4']);
    expect(second.received().map((packet) => 'dup' in packet && packet.dup)).toEqual([false, true, true, false, false]);
    second.send({ cmd: 'pubcomp', messageId: 3 }, { cmd: 'puback', messageId: 4 }, { cmd: 'puback', messageId: 1 });
    second.send({ cmd: 'pubrec', messageId: 2 }, { cmd: 'pubcomp', messageId: 2 });
    await settled();
    for (const outcome of [...outcomes, late]) expect(outcome).toEqual([{ kind: 'delivered', reasonCode: 0 }]);
    expect((await fixture.connect(kept)).heard()).toEqual(['connack']);
  });

  it('keeps to a smaller receive maximum and packet size of the next client', async () => {
    const fixture = createFixture({}, {});
    await fixture.connect(kept);
    const large = send(fixture, { payload: Buffer.alloc(100) });
    const small = [send(fixture), send(fixture), send(fixture)];
    const properties = { ...kept.properties, receiveMaximum: 1, maximumPacketSize: 60 };
    const client = await fixture.connect({ ...kept, properties });
    expect(client.heard()).toEqual(['connack', 'publish 2']);
    expect(large).toEqual([{ kind: 'notDelivered', reason: 'tooLarge' }]);
    client.send({ cmd: 'puback', messageId: 2 });
    await settled();
    expect(client.heard().at(-1)).toBe('publish 3');
    client.send({ cmd: 'puback', messageId: 3 });
    client.send({ cmd: 'puback', messageId: 4 });
    await settled();
    expect(small.flat()).toHaveLength(3);
  });

  it('forgets what expired meanwhile, in flight or not, and counts the time on the wire', async () => {
    const fixture = createFixture({}, {});
    const client = await fixture.connect(kept);
    const gone = [send(fixture, { expiryMs: 5_000 })];
    await settled();
    client.input.transportClosed();
    gone.push(send(fixture, { expiryMs: 5_000 }));
    send(fixture, { expiryMs: 60_000 });
    fixture.advance(10_000);
    const next = await fixture.connect(kept);
    expect(gone.flat()).toEqual([
      { kind: 'notDelivered', reason: 'expired' },
      { kind: 'notDelivered', reason: 'expired' },
    ]);
    expect(next.received().slice(1)).toMatchObject([{ cmd: 'publish', properties: { messageExpiryInterval: 50 } }]);
  });

  it('is bounded, and says which message left and why', async () => {
    for (const dropPolicy of ['refuseNewest', 'dropOldest'] as const) {
      const fixture = createFixture({ outboundQueueMax: 2 }, { dropPolicy });
      (await fixture.connect(kept)).input.transportClosed();
      expect(send(fixture, { qos: 0 })).toEqual([]);
      const outcomes = [send(fixture), send(fixture), send(fixture)];
      await settled();
      const left = { kind: 'notDelivered', reason: dropPolicy === 'dropOldest' ? 'dropped' : 'queueFull' };
      expect(outcomes).toEqual(dropPolicy === 'dropOldest' ? [[left], [], []] : [[], [], [left]]);
      expect(fixture.observed).toEqual(['sent 0 offline', `sent 1 ${left.reason}`]);
    }
  });

  it('settles everything when it expires, is ended, or starts clean', async () => {
    for (const how of ['expires', 'ends', 'starts clean', 'is revoked'] as const) {
      const fixture = createFixture({}, {});
      const client = await fixture.connect(kept);
      const outcomes = [send(fixture), send(fixture, { qos: 2 })];
      if (how === 'is revoked') fixture.endpoint.session('d1')?.close('revoked');
      client.input.transportClosed();
      fixture.advance(600_000);
      if (how === 'expires') fixture.endpoint.sweep();
      else if (how === 'ends') fixture.endpoint.endSession('d1');
      else await fixture.connect({ ...kept, clean: true });
      await settled();
      const ended = { kind: 'notDelivered', reason: 'sessionEnded' };
      expect(outcomes).toEqual([[ended], [ended]]);
      expect([...fixture.endpoint.detachedSessions()]).toEqual([]);
    }
  });

  it('ends when too many others lost their connections after it', async () => {
    const { connect, endpoint, observed } = createFixture({}, { detachedMax: 2 });
    for (const clientId of ['a', 'b', 'c']) (await connect({ ...kept, clientId })).input.transportClosed();
    expect([...endpoint.detachedSessions()].map(({ clientId }) => clientId)).toEqual(['b', 'c']);
    expect(observed).toEqual(['ended evicted']);
  });

  it('delivers its queue also to a client that asks for no expiry', async () => {
    const fixture = createFixture({}, {});
    (await fixture.connect(kept)).input.transportClosed();
    send(fixture);
    const client = await fixture.connect({ clean: false });
    expect(client.received()[0]).toMatchObject({ sessionPresent: true });
    expect(client.heard()).toEqual(['connack', 'publish 1']);
  });
});

describe.each([4, 5] as const)('QoS 2 from a client of version %d, over two connections', (protocolVersion) => {
  const options = protocolVersion === 5 ? kept : ({ clean: false, protocolVersion } as const);

  it('is handed over once when the host answers before the reconnect', async () => {
    const { connect, host } = createFixture({}, {});
    const first = await connect(options);
    first.publish(1);
    first.publish(7, { qos: 2 });
    // Its PUBREC waits for the PUBACK before it, and so never leaves.
    host.publishAt(1).settle(stored);
    await settled();
    first.input.transportClosed();
    const second = await connect(options);
    second.publish(7, { qos: 2, dup: true });
    await settled();
    expect(host.publishes).toHaveLength(2);
    expect(second.heard()).toEqual(['connack', 'pubrec 7']);
    second.send({ cmd: 'pubrel', messageId: 7 });
    second.publish(7, { qos: 2 });
    expect(host.publishes).toHaveLength(3);
  });

  it('is handed over once when the host answers after it', async () => {
    const { connect, host } = createFixture({}, {});
    (await connect(options)).publish(7, { qos: 2 });
    const second = await connect(options);
    second.publish(7, { qos: 2, dup: true });
    second.publish(8);
    host.publishAt(1).settle(stored);
    await settled();
    expect(second.heard()).toEqual(['connack']);
    host.publishAt(0).settle(stored);
    await settled();
    expect(host.publishes).toHaveLength(2);
    expect(second.heard()).toEqual(['connack', 'pubrec 7', 'puback 8']);
  });

  it('is handed over once when the host answers while nobody is connected', async () => {
    const { connect, host } = createFixture({}, {});
    const first = await connect(options);
    first.publish(7, { qos: 2 });
    first.publish(8, { qos: 2 });
    first.input.transportClosed();
    host.publishAt(0).settle(stored);
    host.publishAt(1).settle({ kind: 'failed', detail: 'away' });
    await settled();
    const second = await connect(options);
    second.publish(7, { qos: 2, dup: true });
    second.publish(8, { qos: 2, dup: true });
    await settled();
    expect(host.publishes).toHaveLength(3);
    expect(second.heard()).toEqual(['connack', 'pubrec 7']);
  });
});

describe('a will with a delay', () => {
  const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1, retain: false } as const;
  const delayed = { ...kept, will: { ...will, properties: { willDelayInterval: 30 } } };

  it('comes when the delay has passed', async () => {
    const { connect, host, advance, endpoint } = createFixture({}, {});
    (await connect(delayed)).input.transportClosed();
    expect(host.closed).toMatchObject([{ will: null }]);
    advance(29_999);
    endpoint.sweep();
    expect(host.dueWills).toEqual([]);
    advance(1);
    endpoint.sweep();
    endpoint.sweep();
    expect(host.dueWills).toEqual(['gone']);
  });

  it('does not come after a reconnect or a DISCONNECT', async () => {
    const { connect, host, advance, endpoint } = createFixture({}, {});
    (await connect(delayed)).input.transportClosed();
    const second = await connect(delayed);
    second.send({ cmd: 'disconnect', properties: { sessionExpiryInterval: 100 } });
    advance(1_000_000);
    endpoint.sweep();
    expect(host.dueWills).toEqual([]);
    expect(host.closed.map((closing) => closing.will)).toEqual([null, null]);
  });

  it('comes earlier when the session ends earlier', async () => {
    const { connect, host, advance, endpoint } = createFixture({}, {});
    const short = { ...delayed, properties: { sessionExpiryInterval: 10 } };
    (await connect(short)).input.transportClosed();
    advance(10_000);
    endpoint.sweep();
    expect(host.dueWills).toEqual(['gone']);
    (await connect(short)).input.transportClosed();
    await connect({ ...kept, clean: true });
    expect(host.dueWills).toEqual(['gone', 'gone']);
    const noSession = await connect({ will: delayed.will, properties: {} });
    noSession.input.transportClosed();
    expect(host.closed.at(-1)?.will).toMatchObject(will);
  });
});
