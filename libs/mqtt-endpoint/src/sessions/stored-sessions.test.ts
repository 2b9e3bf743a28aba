import { describe, expect, it } from '@jest/globals';
import type { DeliveryOutcome, OutboundMessage } from '../endpoint-host.ts';
import { createMemorySessionStore } from '../testing/memory-session-store.ts';
import type { SessionStore } from './session-store.ts';
import { createFixture, type Fixture, settled } from '../testing/endpoint-fixture.ts';

const kept = { clean: false, properties: { sessionExpiryInterval: 600 } } as const;
const stored = { kind: 'stored' } as const;

function send(fixture: Fixture, options: Partial<OutboundMessage> = {}): DeliveryOutcome[] {
  const outcomes: DeliveryOutcome[] = [];
  const message = { topic: 'down', payload: Buffer.from('x'), qos: 1, ...options } as const;
  const session = fixture.endpoint.session('d1') ?? [...fixture.endpoint.detachedSessions()][0];
  void session?.send(message).then((outcome) => outcomes.push(outcome));
  return outcomes;
}

/** A store whose writes wait until the test lets them go. */
function heldStore(): SessionStore & { saves: number; release(): void; fails: boolean; inner: SessionStore } {
  const store = createMemorySessionStore();
  let waiting: (() => void)[] = [];
  return {
    ...store,
    inner: store,
    saves: 0,
    fails: false,
    async save(...save) {
      this.saves += 1;
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
      if (this.fails) throw new Error('store away');
      return store.save(...save);
    },
    release() {
      const now = waiting;
      waiting = [];
      for (const resolve of now) resolve();
    },
  };
}

describe('a session in a store', () => {
  it('goes on at another endpoint, after a crash of the first', async () => {
    const store = createMemorySessionStore();
    const one = createFixture({}, { store });
    const first = await one.connect(kept);
    first.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] });
    for (const qos of [1, 2, 2] as const) send(one, { qos, contentType: 'c', expiryMs: 60_000 });
    first.publish(9, { qos: 2 });
    one.host.publishAt(0).settle(stored);
    await settled();
    first.send({ cmd: 'pubrec', messageId: 3 });
    await settled();
    expect(first.heard()).toEqual([
      'connack',
      'suback 1',
      'publish 1',
      'publish 2',
      'publish 3',
      'pubrec 9',
      'pubrel 3',
    ]);

    const two = createFixture({}, { store, wallNow: () => 11_000 });
    const second = await two.connect(kept);
    second.publish(9, { qos: 2, dup: true });
    send(two);
    await settled();
    expect(second.heard()).toEqual(['connack', 'publish 1', 'publish 2', 'pubrel 3', 'pubrec 9', 'publish 4']);
    expect(second.received()[0]).toMatchObject({ sessionPresent: true });
    expect(second.received()[1]).toMatchObject({
      dup: true,
      properties: { contentType: 'c', messageExpiryInterval: 50 },
    });
    expect(two.host.publishes).toHaveLength(0);
    expect([...(two.endpoint.session('d1')?.subscriptions() ?? [])]).toEqual([['a', 1]]);
  });

  it('is lost to the endpoint that had it: what that one still says and hears means nothing', async () => {
    const store = createMemorySessionStore();
    const one = createFixture({}, { store });
    const two = createFixture({}, { store });
    const first = await one.connect(kept);
    const outcomes = send(one);
    await settled();
    const second = await two.connect(kept);
    expect(second.heard()).toEqual(['connack', 'publish 1']);
    // The older endpoint notices with its next write.
    const late = send(one);
    first.send({ cmd: 'puback', messageId: 1 });
    await settled();
    expect(first.heard()).toEqual(['connack', 'publish 1', 'disconnect 0x8e']);
    expect(outcomes).toEqual([{ kind: 'delivered', reasonCode: 0 }]);
    expect(late).toEqual([{ kind: 'notDelivered', reason: 'handedOver' }]);
    expect(one.host.closed).toMatchObject([{ reason: 'takenOver' }]);
    expect([...one.endpoint.detachedSessions()]).toEqual([]);
    second.input.transportClosed();
    expect((await two.connect(kept)).heard()).toEqual(['connack', 'publish 1']);
  });

  it('comes back to an endpoint that still holds an older state of it', async () => {
    const store = createMemorySessionStore();
    const one = createFixture({}, { store });
    const two = createFixture({}, { store });
    (await one.connect(kept)).input.transportClosed();
    const handedOver = send(one);
    await settled();
    const elsewhere = await two.connect(kept);
    elsewhere.send({ cmd: 'puback', messageId: 1 });
    send(two, { topic: 'newer' });
    await settled();
    elsewhere.input.transportClosed();
    await settled();
    const back = await one.connect(kept);
    expect(back.received()).toMatchObject([{ sessionPresent: true }, { topic: 'newer', messageId: 2, dup: true }]);
    expect(handedOver).toEqual([{ kind: 'notDelivered', reason: 'handedOver' }]);
    expect([...two.endpoint.detachedSessions()]).toHaveLength(1);
  });

  it('is not there any more after its expiry, a clean start, or a connection without one', async () => {
    for (const how of ['expired', 'clean start', 'no expiry'] as const) {
      const store = createMemorySessionStore();
      const one = createFixture({}, { store, wallNow: () => 0 });
      (await one.connect(kept)).input.transportClosed();
      await settled();
      const two = createFixture({}, { store, wallNow: () => (how === 'expired' ? 600_000 : 0) });
      if (how === 'clean start') await two.connect({ ...kept, clean: true });
      if (how === 'no expiry') (await two.connect({ clean: false })).input.transportClosed();
      await settled();
      if (how === 'clean start') {
        const { snapshot } = await store.claim('d1');
        expect(snapshot?.subscriptions).toEqual([]);
      } else {
        expect((await two.connect(kept)).received()[0]).toMatchObject({ sessionPresent: false });
      }
    }
  });

  it('is handed over whole when its endpoint drains', async () => {
    const store = heldStore();
    const one = createFixture({}, { store });
    const client = await one.connect(kept);
    store.release();
    await settled();
    client.input.transportClosed();
    const outcomes = send(one);
    let isDrained = false;
    const drained = one.endpoint.drain({ timeoutMs: 1_000 }).then(() => {
      isDrained = true;
    });
    await settled();
    expect(outcomes).toEqual([{ kind: 'notDelivered', reason: 'handedOver' }]);
    expect(isDrained).toBe(false);
    for (let round = 0; round < 3; round++) {
      store.release();
      await settled();
    }
    await drained;
    const two = createFixture({}, { store: store.inner });
    expect((await two.connect(kept)).heard()).toEqual(['connack', 'publish 1']);
  });
});

describe('what must be remembered is stored before it is said', () => {
  it('packet ids both ways, releases and filters', async () => {
    const store = heldStore();
    const fixture = createFixture({}, { store });
    const client = await fixture.connect(kept);
    store.release();
    await settled();
    const said = async (): Promise<string[]> => {
      await settled();
      const before = client.heard().length;
      store.release();
      await settled();
      return client.heard().slice(before);
    };
    client.publish(1, { qos: 2 });
    client.publish(2);
    for (const index of [0, 1]) fixture.host.publishAt(index).settle(stored);
    expect(await said()).toEqual(['pubrec 1', 'puback 2']);
    client.send({ cmd: 'pubrel', messageId: 1 });
    expect(await said()).toEqual(['pubcomp 1']);
    client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'a', qos: 1 }] });
    expect(fixture.host.subscribedFilters).toEqual([]);
    expect(await said()).toEqual(['suback 3']);
    client.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a'] });
    expect(await said()).toEqual(['unsuback 4']);
    send(fixture);
    send(fixture, { qos: 2 });
    const { saves } = store;
    expect(await said()).toEqual(['publish 1', 'publish 2']);
    expect(store.saves - saves).toBeLessThanOrEqual(1);
  });

  it('or never said, when the store fails', async () => {
    const store = heldStore();
    const fixture = createFixture({}, { store });
    const client = await fixture.connect(kept);
    store.release();
    await settled();
    client.publish(1, { qos: 2 });
    fixture.host.publishAt(0).settle(stored);
    store.fails = true;
    await settled();
    store.release();
    await settled();
    expect(client.heard()).toEqual(['connack', 'disconnect 0x83']);
    expect(fixture.failures).toHaveLength(1);
    // The message is recorded all the same, and its copy is not handed over.
    store.fails = false;
    const connecting = fixture.connect(kept);
    for (let round = 0; round < 3; round++) {
      await settled();
      store.release();
    }
    const second = await connecting;
    second.publish(1, { qos: 2, dup: true });
    await settled();
    store.release();
    await settled();
    expect(fixture.host.publishes).toHaveLength(1);
    expect(second.heard()).toContain('pubrec 1');
  });

  it('and a CONNECT is answered with 0x88 when the session cannot be claimed', async () => {
    const store = createMemorySessionStore();
    const claim = (): Promise<never> => Promise.reject(new Error('store away'));
    const fixture = createFixture({}, { store: { ...store, claim } });
    expect((await fixture.connect(kept)).heard()).toEqual(['connack 0x88']);
    expect(fixture.host.calls).toEqual([]);
  });
});

describe('the order of messages', () => {
  it('holds for QoS 0 behind a message that is still to be stored', async () => {
    const store = heldStore();
    const fixture = createFixture({}, { store });
    const client = await fixture.connect(kept);
    store.release();
    await settled();
    const outcomes = ([1, 0, 2, 0] as const).map((qos, index) => send(fixture, { qos, topic: `${index}` }));
    await settled();
    expect(client.heard()).toEqual(['connack']);
    for (let writes = 0; writes < 3; writes += 1) {
      store.release();
      await settled();
    }
    const topics = client.received().flatMap((packet) => (packet.cmd === 'publish' ? [packet.topic] : []));
    expect(topics).toEqual(['0', '1', '2', '3']);
    expect(outcomes.map(({ length }) => length)).toEqual([0, 1, 0, 1]);
  });

  it('leaves nothing unsaid when the connection is lost meanwhile', async () => {
    const store = heldStore();
    const fixture = createFixture({}, { store });
    const client = await fixture.connect(kept);
    const outcomes = ([1, 0] as const).map((qos) => send(fixture, { qos }));
    client.input.transportClosed();
    await settled();
    expect(outcomes).toEqual([[], [{ kind: 'notDelivered', reason: 'offline' }]]);
  });
});

describe('packet ids at another endpoint', () => {
  it('go on where the last one stopped, though nothing is in flight', async () => {
    const store = createMemorySessionStore();
    const one = createFixture({}, { store });
    const first = await one.connect(kept);
    send(one);
    await settled();
    first.send({ cmd: 'puback', messageId: 1 });
    await settled();
    const two = createFixture({}, { store });
    const second = await two.connect(kept);
    send(two);
    await settled();
    expect(second.heard()).toEqual(['connack', 'publish 2']);
  });
});

describe('what a store is spared, and what it is told in time', () => {
  it('is not written for a session that ends with its connection', async () => {
    const inner = createMemorySessionStore();
    const calls: string[] = [];
    const store: SessionStore = {
      claim: (key) => inner.claim(key),
      save: (...save) => {
        calls.push('save');
        return inner.save(...save);
      },
      remove: (...remove) => {
        calls.push('remove');
        return inner.remove(...remove);
      },
    };
    const { connect } = createFixture({}, { store });
    for (let connection = 0; connection < 3; connection++) (await connect()).input.transportClosed();
    expect(calls).toEqual([]);
    (await connect(kept)).input.transportClosed();
    await settled();
    await connect();
    await settled();
    expect(calls.at(-1)).toBe('remove');
    expect((await inner.claim('d1')).snapshot).toBeNull();
  });

  it('continues a session that this endpoint has no room for', async () => {
    const store = createMemorySessionStore();
    const fixture = createFixture({}, { store, detachedMax: 1 });
    const outcomes: DeliveryOutcome[][] = [];
    for (const clientId of ['d1', 'd2']) {
      const client = await fixture.connect({ ...kept, clientId });
      if (clientId === 'd1') outcomes.push(send(fixture));
      client.input.transportClosed();
      await settled();
    }
    expect(fixture.observed).toContain('ended evicted');
    expect(outcomes).toEqual([[{ kind: 'notDelivered', reason: 'handedOver' }]]);
    const again = await fixture.connect(kept);
    expect(again.received()[0]).toMatchObject({ sessionPresent: true });
    expect(again.heard()).toEqual(['connack', 'publish 1']);
  });

  it('has the release of a message before PUBREL leaves', async () => {
    const store = heldStore();
    const fixture = createFixture({}, { store });
    const client = await fixture.connect(kept);
    const outcomes = send(fixture, { qos: 2 });
    const write = async (): Promise<void> => {
      store.release();
      await settled();
    };
    while (!client.heard().includes('publish 1')) await write();
    client.send({ cmd: 'pubrec', messageId: 1 });
    await settled();
    expect(client.heard()).not.toContain('pubrel 1');
    // Killed here the message would be sent again, and the client would know it by its packet id.
    expect((await store.inner.claim('d1')).snapshot?.messages).toMatchObject([{ packetId: 1, state: 'sent' }]);
    expect(outcomes).toEqual([{ kind: 'delivered', reasonCode: 0 }]);
  });

  it('keeps no message that is of use to this connection only, unless it is in flight', async () => {
    const store = createMemorySessionStore();
    const fixture = createFixture({}, { store });
    const properties = { ...kept.properties, receiveMaximum: 1 };
    const client = await fixture.connect({ ...kept, properties });
    const inFlight = send(fixture, { onlyWhileConnected: true });
    const waiting = send(fixture, { onlyWhileConnected: true });
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish 1']);
    client.input.transportClosed();
    const late = send(fixture, { onlyWhileConnected: true });
    await settled();
    const offline = { kind: 'notDelivered', reason: 'offline' };
    expect([inFlight, waiting, late]).toEqual([[], [offline], [offline]]);
    const again = await fixture.connect(kept);
    again.send({ cmd: 'puback', messageId: 1 });
    await settled();
    expect(again.heard()).toEqual(['connack', 'publish 1']);
    expect(inFlight).toEqual([{ kind: 'delivered', reasonCode: 0 }]);
  });

  it('is written without a released packet id after the host was told of it, and before PUBCOMP', async () => {
    const store = heldStore();
    const fixture = createFixture({}, { store });
    const client = await fixture.connect(kept);
    const write = async (): Promise<void> => {
      store.release();
      await settled();
    };
    client.publish(7, { qos: 2 });
    fixture.host.publishAt(0).settle(stored);
    while (!client.heard().includes('pubrec 7')) await write();
    client.send({ cmd: 'pubrel', messageId: 7 });
    await settled();
    expect(fixture.host.releasedIds).toEqual([7]);
    expect(client.heard()).not.toContain('pubcomp 7');
    while (!client.heard().includes('pubcomp 7')) await write();
    client.send({ cmd: 'pubrel', messageId: 7 });
    expect(fixture.host.releasedIds).toEqual([7]);
  });
});
