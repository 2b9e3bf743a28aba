import { describe, expect, it } from '@jest/globals';
import { createFixture, settled } from '../testing/endpoint-fixture.ts';
import type { DeliveryOutcome, OutboundMessage, Session } from '../endpoint-host.ts';

function message(options: Partial<OutboundMessage> = {}): OutboundMessage {
  return { topic: 'down', payload: Buffer.from('x'), qos: 1, ...options };
}

function sendMany(session: Session<unknown> | null, messages: readonly OutboundMessage[]): DeliveryOutcome[] {
  const outcomes: DeliveryOutcome[] = [];
  for (const one of messages) void session?.send(one).then((outcome) => outcomes.push(outcome));
  return outcomes;
}

describe('messages to a client', () => {
  it('carry the code of its PUBACK back', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect();
    const outcomes = sendMany(endpoint.session('d1'), [message(), message()]);
    client.send({ cmd: 'puback', messageId: 2, reasonCode: 0x87 }, { cmd: 'puback', messageId: 1, reasonCode: 0x10 });
    client.send({ cmd: 'puback', messageId: 1, reasonCode: 0 });
    await settled();
    expect(outcomes).toEqual([
      { kind: 'delivered', reasonCode: 0x87 },
      { kind: 'delivered', reasonCode: 0x10 },
    ]);
  });

  it('stay within the receive maximum of the client, and go on with each PUBACK', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect({ properties: { receiveMaximum: 2 } });
    sendMany(
      endpoint.session('d1'),
      Array.from({ length: 5 }, () => message()),
    );
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish 1', 'publish 2']);
    client.send({ cmd: 'puback', messageId: 2, reasonCode: 0 });
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish 1', 'publish 2', 'publish 3']);
  });

  it('never use a packet id that is in flight', async () => {
    const { connect, endpoint } = createFixture({ outboundQueueMax: 100 });
    const client = await connect();
    sendMany(endpoint.session('d1'), [message()]);
    for (let id = 2; id <= 65_535; id++) {
      sendMany(endpoint.session('d1'), [message()]);
      client.sendBytes(0x40, 2, id >> 8, id & 0xff);
      if (id % 1_000 === 0) await settled();
    }
    await settled();
    client.transport.writes.length = 0;
    sendMany(endpoint.session('d1'), [message()]);
    await settled();
    expect(client.received()).toMatchObject([{ cmd: 'publish', messageId: 2 }]);
  });

  it('are refused by count, by bytes, by size and after the end', async () => {
    const { connect, endpoint } = createFixture({ outboundQueueMax: 3, outboundBytesMax: 200 });
    const client = await connect({ properties: { receiveMaximum: 1, maximumPacketSize: 150 } });
    const session = endpoint.session('d1');
    const outcomes = sendMany(session, [
      message({ payload: Buffer.alloc(200) }),
      message({ payload: Buffer.alloc(100) }),
      message({ payload: Buffer.alloc(100) }),
      message(),
      message(),
      message(),
    ]);
    await settled();
    expect(outcomes).toEqual([
      { kind: 'notDelivered', reason: 'tooLarge' },
      { kind: 'notDelivered', reason: 'queueFull' },
      { kind: 'notDelivered', reason: 'queueFull' },
    ]);
    client.input.transportClosed();
    await settled();
    expect(outcomes.slice(3)).toEqual(
      Array.from({ length: 3 }, () => ({ kind: 'notDelivered', reason: 'sessionEnded' })),
    );
    await expect(session?.send(message())).resolves.toEqual({ kind: 'notDelivered', reason: 'sessionEnded' });
  });

  it('expire in the queue, and say on the wire what is left', async () => {
    const { connect, endpoint, advance } = createFixture();
    const client = await connect({ properties: { receiveMaximum: 1 } });
    const outcomes = sendMany(endpoint.session('d1'), [
      message(),
      message({ expiryMs: 1_000 }),
      message({ expiryMs: 60_000 }),
      message({ expiryMs: 0 }),
    ]);
    await settled();
    expect(outcomes).toEqual([{ kind: 'notDelivered', reason: 'expired' }]);
    advance(1_000);
    endpoint.sweep();
    await settled();
    expect(outcomes).toHaveLength(2);
    advance(3_500);
    client.send({ cmd: 'puback', messageId: 1, reasonCode: 0 });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ messageId: 2, properties: { messageExpiryInterval: 56 } });
  });

  it('expire also without a sweep', async () => {
    const { connect, endpoint, advance } = createFixture();
    const client = await connect({ protocolVersion: 4 });
    client.transport.isStuck = true;
    sendMany(endpoint.session('d1'), [message({ qos: 0 })]);
    await settled();
    const outcomes = sendMany(endpoint.session('d1'), [message({ qos: 0, expiryMs: 10 })]);
    advance(10);
    client.transport.isStuck = false;
    client.input.drained();
    await settled();
    expect(outcomes).toEqual([{ kind: 'notDelivered', reason: 'expired' }]);
    expect(client.heard()).toEqual(['connack', 'publish']);
  });

  it('wait for a slow reader in a bounded queue', async () => {
    const { connect, endpoint } = createFixture({ outboundQueueMax: 100 });
    const client = await connect();
    client.transport.isStuck = true;
    const outcomes = sendMany(
      endpoint.session('d1'),
      Array.from({ length: 50_000 }, () => message({ qos: 0, payload: Buffer.alloc(1_000) })),
    );
    await settled();
    expect(client.transport.bytesQueued()).toBeLessThan(70_000);
    const refused = outcomes.filter((outcome) => outcome.kind === 'notDelivered');
    expect(refused.length).toBeGreaterThan(49_800);
    expect(client.transport.isPaused).toBe(true);
    client.transport.isStuck = false;
    client.input.drained();
    await settled();
    await settled();
    expect(outcomes).toHaveLength(50_000);
    expect(client.transport.isPaused).toBe(false);
  });

  it('answered like QoS 2 end the connection', async () => {
    for (const cmd of ['pubrec', 'pubcomp'] as const) {
      const { connect, endpoint } = createFixture();
      const client = await connect();
      sendMany(endpoint.session('d1'), [message()]);
      client.send({ cmd, messageId: 1, reasonCode: 0 });
      expect(client.heard().at(-1)).toBe('disconnect 0x82');
    }
  });

  it('that were never sent can be answered without harm', async () => {
    const { connect } = createFixture();
    for (const protocolVersion of [4, 5] as const) {
      const client = await connect({ protocolVersion });
      client.send(
        { cmd: 'puback', messageId: 5, reasonCode: 0 },
        { cmd: 'pubcomp', messageId: 6, reasonCode: 0 },
        { cmd: 'pubrec', messageId: 7, reasonCode: 0 },
      );
      await settled();
      expect(client.heard()).toEqual(['connack', protocolVersion === 5 ? 'pubrel 7 0x92' : 'pubrel 7']);
      expect(client.transport.state).toBe('open');
    }
  });
});
