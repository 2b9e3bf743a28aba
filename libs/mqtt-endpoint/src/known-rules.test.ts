import { describe, expect, it } from '@jest/globals';
import type { IPublishPacket } from 'mqtt-packet';
import type { DeliveryOutcome } from './endpoint-host.ts';
import { createFixture, settled, type TestClient } from './testing/endpoint-fixture.ts';

/** The rules that the holes of other servers taught (docs/adr/0004-own-mqtt-engine.md), one test or more for each. */
const payload = Buffer.from('x');
const keeps = { clean: false, properties: { sessionExpiryInterval: 600 } } as const;

function publishesOf(client: TestClient): IPublishPacket[] {
  return client.received().filter((packet) => packet.cmd === 'publish');
}

describe('rule 1: ACL, QoS 2 duplicate check, durable append, acknowledgement in receive order', () => {
  it('hands over in receive order, a QoS 2 copy not at all, and acknowledges in that order', async () => {
    const { connect, host } = createFixture();
    const client = await connect();
    client.publish(3);
    client.publish(1, { qos: 2 });
    client.publish(1, { qos: 2, dup: true });
    client.publish(2);
    expect(host.publishes.map(({ message }) => message.packetId)).toEqual([3, 1, 2]);
    for (const index of [2, 1]) host.publishAt(index).settle({ kind: 'stored' });
    await settled();
    expect(client.heard()).toEqual(['connack']);
    host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    expect(client.heard()).toEqual(['connack', 'puback 3', 'pubrec 1', 'puback 2']);
  });

  it.each([
    [5, ['connack', 'disconnect 0x83']],
    [4, ['connack']],
  ] as const)('never acknowledges a failed append, and closes (version %d)', async (protocolVersion, said) => {
    const { connect, host } = createFixture();
    const client = await connect({ protocolVersion });
    client.publish(1);
    client.publish(2);
    host.publishAt(1).settle({ kind: 'stored' });
    host.publishAt(0).settle({ kind: 'failed', detail: 'the log is away' });
    await settled();
    expect(client.heard()).toEqual(said);
    expect(client.transport.state).toBe('ended');
  });

  it('a refused topic is answered with its reason, not with "not authorized" for all', async () => {
    const { connect, host } = createFixture();
    const client = await connect();
    const reasons = ['notAuthorized', 'quotaExceeded', 'payloadFormatInvalid', 'topicNameInvalid'] as const;
    for (const [index, reason] of reasons.entries()) {
      client.publish(index + 1);
      host.publishAt(index).settle({ kind: 'refused', reason, detail: 'no' });
    }
    await settled();
    expect(client.heard()).toEqual(['connack', 'puback 1 0x87', 'puback 2 0x97', 'puback 3 0x99', 'puback 4 0x90']);
  });
});

it('rule 2: names from the wire are keys of maps, also in aliases and user properties', async () => {
  const { connect, host } = createFixture();
  host.storesAtOnce = true;
  const client = await connect();
  for (const [index, topic] of ['__proto__', 'constructor'].entries()) {
    const properties = { topicAlias: index + 1, userProperties: { toString: 'value' } };
    client.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, properties });
    client.send({
      cmd: 'publish',
      topic: '',
      payload,
      qos: 0,
      dup: false,
      retain: false,
      properties: { topicAlias: index + 1 },
    });
  }
  await settled();
  expect(host.publishes.map(({ message }) => message.topic)).toEqual([
    '__proto__',
    '__proto__',
    'constructor',
    'constructor',
  ]);
  expect(host.publishAt(0).message.userProperties).toEqual([['toString', 'value']]);
});

it('rule 3: a connection holds no timer; one sweep closes all that are silent', async () => {
  const { connect, endpoint, advance } = createFixture();
  const clients = await Promise.all(
    Array.from({ length: 20 }, (_, index) => connect({ clientId: `d${index}`, keepalive: 10 })),
  );
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await connect({ clientId: 'one more', keepalive: 10 });
  const timersNow = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  expect(timersNow).toBeLessThanOrEqual(timers);
  advance(15_001);
  expect(clients.map(({ transport }) => transport.state)).toEqual(clients.map(() => 'open'));
  endpoint.sweep();
  expect(clients.map((client) => client.heard().at(-1))).toEqual(clients.map(() => 'disconnect 0x8d'));
  expect(endpoint.connectionCount).toBe(0);
});

describe('rule 4: packet ids are free ones, DUP on what is sent again, session present exact', () => {
  it('a message after the reconnect gets an id that none in flight has', async () => {
    const { connect, endpoint } = createFixture({}, {});
    const first = await connect(keeps);
    for (let count = 0; count < 4; count += 1) void endpoint.session('d1')?.send({ topic: 't', payload, qos: 1 });
    await settled();
    const old = publishesOf(first).map(({ messageId }) => messageId);
    first.input.transportClosed();
    const second = await connect(keeps);
    for (let count = 0; count < 4; count += 1) void endpoint.session('d1')?.send({ topic: 't', payload, qos: 1 });
    await settled();
    const ids = publishesOf(second).map(({ messageId }) => messageId);
    expect(publishesOf(second).map(({ dup }) => dup)).toEqual([true, true, true, true, false, false, false, false]);
    expect(ids.slice(0, 4)).toEqual(old);
    expect(new Set(ids).size).toBe(8);
  });

  it('session present is 1 when and only when the session is there', async () => {
    const { connect } = createFixture({}, {});
    const present = async (options: object): Promise<boolean> => {
      const client = await connect(options);
      client.input.transportClosed();
      const [connack] = client.received();
      return connack?.cmd === 'connack' && connack.sessionPresent;
    };
    const answers = [];
    for (const options of [keeps, keeps, { ...keeps, clean: true }, keeps, { clean: false }, keeps]) {
      answers.push(await present(options));
    }
    expect(answers).toEqual([false, true, false, true, true, false]);
  });
});

it('rule 5: a session that is resumed with expiry 0 still delivers its queue', async () => {
  const { connect, endpoint } = createFixture({}, {});
  (await connect(keeps)).input.transportClosed();
  const [detached] = [...endpoint.detachedSessions()];
  const outcome = detached?.send({ topic: 't', payload, qos: 1 });
  const client = await connect({ clean: false });
  expect(client.heard()).toEqual(['connack', 'publish 1']);
  client.send({ cmd: 'puback', messageId: 1, reasonCode: 0 });
  await expect(outcome).resolves.toEqual({ kind: 'delivered', reasonCode: 0 });
});

it('rule 6: a denied filter is not stored with its session, so it is not there after a reconnect', async () => {
  const { connect, host, endpoint } = createFixture({}, {});
  host.maySubscribeTo = (filter) => filter === 'mine';
  const client = await connect(keeps);
  client.send({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions: ['mine', 'theirs'].map((topic) => ({ topic, qos: 1 })),
  });
  client.input.transportClosed();
  host.maySubscribeTo = () => true;
  await connect(keeps);
  expect([...(endpoint.session('d1')?.subscriptions().keys() ?? [])]).toEqual(['mine']);
});

describe('rule 7: DISCONNECT leaves before an orderly end, and nothing more is read', () => {
  it('the transport is paused and ended, not destroyed', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect();
    endpoint.session('d1')?.close('revoked');
    expect(client.heard()).toEqual(['connack', 'disconnect 0x98']);
    expect([client.transport.isPaused, client.transport.state]).toEqual([true, 'ended']);
  });

  it('a peer that does not read is destroyed instead', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect();
    client.transport.isStuck = true;
    void endpoint.session('d1')?.send({ topic: 't', payload: Buffer.alloc(70_000), qos: 0 });
    await settled();
    endpoint.session('d1')?.close('takenOver');
    expect(client.transport.state).toBe('destroyed');
  });
});

describe('rule 8: the outcome of a message reaches the caller exactly once', () => {
  it.each([0, 0x10, 0x80, 0x97])('as the reason of PUBACK (%d)', async (reasonCode) => {
    const { connect, endpoint } = createFixture();
    const client = await connect();
    const outcome = endpoint.session('d1')?.send({ topic: 't', payload, qos: 1 });
    await settled();
    client.send({ cmd: 'puback', messageId: 1, reasonCode }, { cmd: 'puback', messageId: 1, reasonCode: 0 });
    await expect(outcome).resolves.toEqual({ kind: 'delivered', reasonCode });
  });

  it('as expired, dropped or session ended', async () => {
    const { connect, endpoint, advance } = createFixture({ outboundQueueMax: 2 }, { dropPolicy: 'dropOldest' });
    (await connect(keeps)).input.transportClosed();
    const [session] = [...endpoint.detachedSessions()];
    const outcomes: DeliveryOutcome[] = [];
    const send = (expiryMs?: number): void => {
      const message = { topic: 't', payload, qos: 1 as const, ...(expiryMs !== undefined && { expiryMs }) };
      void session?.send(message).then((outcome) => outcomes.push(outcome));
    };
    send(1_000);
    advance(2_000);
    endpoint.sweep();
    for (let count = 0; count < 3; count += 1) send();
    endpoint.endSession('d1');
    await settled();
    expect(outcomes.map((outcome) => outcome.kind === 'notDelivered' && outcome.reason)).toEqual([
      'expired',
      'dropped',
      'sessionEnded',
      'sessionEnded',
    ]);
  });
});

describe('what other servers leave to chance', () => {
  it('a message that expires while the client is away does not come after the reconnect', async () => {
    const { connect, endpoint, advance } = createFixture({}, {});
    const first = await connect(keeps);
    const outcome = endpoint.session('d1')?.send({ topic: 't', payload, qos: 1, expiryMs: 5_000 });
    await settled();
    expect(first.heard()).toEqual(['connack', 'publish 1']);
    first.input.transportClosed();
    advance(6_000);
    expect((await connect(keeps)).heard()).toEqual(['connack']);
    await expect(outcome).resolves.toEqual({ kind: 'notDelivered', reason: 'expired' });
  });

  it('a second CONNECT closes the connection and leaves the session', async () => {
    const { connect } = createFixture({}, {});
    const client = await connect(keeps);
    client.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'd1', clean: true, keepalive: 9 });
    expect(client.heard()).toEqual(['connack', 'disconnect 0x82']);
    const [connack] = (await connect(keeps)).received();
    expect(connack).toMatchObject({ cmd: 'connack', sessionPresent: true });
  });

  it('never more than its receive maximum is on the way to a client, also after a reconnect', async () => {
    const { connect, endpoint } = createFixture({}, {});
    const limited = { clean: false, properties: { sessionExpiryInterval: 600, receiveMaximum: 2 } };
    const first = await connect(limited);
    for (let count = 0; count < 6; count += 1) void endpoint.session('d1')?.send({ topic: 't', payload, qos: 2 });
    await settled();
    expect(publishesOf(first)).toHaveLength(2);
    first.send({ cmd: 'pubrec', messageId: 1, reasonCode: 0 });
    first.input.transportClosed();
    const second = await connect(limited);
    // A PUBREL that is sent again takes no place (MQTT 5 §4.9), and a PUBCOMP for it gives none.
    expect(second.heard()).toEqual(['connack', 'pubrel 1', 'publish 2', 'publish 3']);
    second.send({ cmd: 'pubcomp', messageId: 1, reasonCode: 0 });
    await settled();
    expect(publishesOf(second)).toHaveLength(2);
    second.send({ cmd: 'pubrec', messageId: 2, reasonCode: 0 }, { cmd: 'pubcomp', messageId: 2, reasonCode: 0 });
    await settled();
    expect(publishesOf(second)).toHaveLength(3);
  });
});
