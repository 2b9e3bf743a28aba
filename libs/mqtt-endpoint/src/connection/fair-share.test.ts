import { describe, expect, it } from '@jest/globals';
import { FILTERS_PER_PACKET_MAX } from '../engine-limits.ts';
import { createFixture, settled } from '../testing/endpoint-fixture.ts';

const ping = [0xc0, 0];

describe('fair share', () => {
  it('handles a part of what one connection sends, then the others', async () => {
    const { connect, host } = createFixture();
    const greedy = await connect({ clientId: 'greedy' });
    const modest = await connect({ clientId: 'modest' });
    greedy.sendBytes(...Array.from({ length: 1_000 }, () => ping).flat());
    modest.sendBytes(...ping);
    await Promise.resolve();
    await new Promise(process.nextTick);
    expect(modest.heard()).toEqual(['connack', 'pingresp']);
    expect(greedy.heard()).toHaveLength(1 + 128);
    expect(greedy.transport.isPaused).toBe(true);
    for (let turn = 0; turn < 10; turn++) await settled();
    expect(greedy.heard()).toHaveLength(1 + 1_000);
    expect(greedy.transport.isPaused).toBe(false);
    expect(host.closed).toEqual([]);
  });

  it('reads everything at once when the peer has gone', async () => {
    const { connect, host } = createFixture();
    const client = await connect({ will: { topic: 'w', payload: Buffer.alloc(0), qos: 0, retain: false } });
    client.sendBytes(...Array.from({ length: 1_000 }, () => ping).flat(), 0xe0, 0);
    client.input.transportClosed();
    expect(host.closed).toMatchObject([{ reason: 'clientDisconnected', will: null }]);
    await settled();
    expect(client.transport.state).toBe('open');
  });

  it('does not go on with a connection that was closed meanwhile', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect();
    client.sendBytes(...Array.from({ length: 1_000 }, () => ping).flat());
    endpoint.session('d1')?.close('revoked');
    await settled();
    expect(client.transport).toMatchObject({ state: 'ended', isPaused: true });
  });
});

describe('a packet that is never finished', () => {
  it('ends its connection, however it dribbles', async () => {
    const { connect, advance, endpoint } = createFixture({ packetTimeoutMs: 10_000 });
    const slow = await connect({ clientId: 'slow', keepalive: 60 });
    const steady = await connect({ clientId: 'steady', keepalive: 60 });
    slow.sendBytes(0x30, 100, 0);
    for (let second = 0; second < 12; second++) {
      advance(1_000);
      slow.sendBytes(1);
      steady.sendBytes(...ping, 0x30);
      steady.sendBytes(5, 0, 1, 116, 0, 1);
      endpoint.sweep();
    }
    await settled();
    expect(slow.heard()).toEqual(['connack', 'disconnect 0x82']);
    expect(steady.transport.state).toBe('open');
  });

  it('is not counted while we do not read', async () => {
    const { connect, advance, endpoint, host } = createFixture({ packetTimeoutMs: 10_000, receiveMax: 1 });
    const client = await connect({ protocolVersion: 4 });
    client.publish(1);
    client.sendBytes(0x30, 100, 0);
    advance(60_000);
    endpoint.sweep();
    host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    advance(9_000);
    endpoint.sweep();
    expect(client.transport.state).toBe('open');
    advance(2_000);
    endpoint.sweep();
    expect(client.transport.state).toBe('ended');
  });
});

describe('a reader that does not read', () => {
  it('costs 64 KiB and its queue, whatever it asks for', async () => {
    const { connect, endpoint, host } = createFixture({ outboundBytesMax: 10_000, packetBytesMax: 65_536 });
    host.maySubscribeTo = () => false;
    const client = await connect();
    client.transport.isStuck = true;
    const filters = Array.from({ length: FILTERS_PER_PACKET_MAX }, () => ({ topic: 'f', qos: 0 as const }));
    const packets = Array.from(
      { length: 40 },
      () => ({ cmd: 'subscribe', messageId: 1, subscriptions: filters }) as const,
    );
    for (let round = 0; round < 40; round++) {
      expect(client.transport.state).toBe('open');
      if (!client.transport.isPaused) client.send(...packets);
      for (let count = 0; count < 20; count++) {
        void endpoint.session('d1')?.send({ topic: 't', payload: Buffer.alloc(1_000), qos: 0 });
      }
      await settled();
    }
    expect(client.transport.isPaused).toBe(true);
    expect(client.transport.bytesQueued()).toBeLessThanOrEqual(65_536);
  });

  it('costs the same of many, and a reader among them is served', async () => {
    const { connect, endpoint } = createFixture({ connectionsMax: 300, outboundQueueMax: 10 });
    const stuck = await Promise.all(Array.from({ length: 200 }, (_, at) => connect({ clientId: `stuck-${at}` })));
    const reader = await connect({ clientId: 'reader' });
    for (const { transport } of stuck) transport.isStuck = true;
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 200; round++) {
      for (const session of endpoint.sessions()) {
        const sent = session.send({ topic: 't', payload: Buffer.alloc(1_000), qos: 0 });
        void sent.then(({ kind }) => outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1));
      }
      await settled();
    }
    for (const { transport } of stuck) expect(transport.bytesQueued()).toBeLessThanOrEqual(65_536);
    expect(reader.heard()).toHaveLength(1 + 200);
    // Of each stuck one: what its socket took, and its queue. All else was refused to the caller.
    const waiting = 201 * 200 - [...outcomes.values()].reduce((sum, count) => sum + count, 0);
    expect(waiting).toBe(200 * 10);
  });
});

describe('drain with another server', () => {
  it('is told to MQTT 5 clients', async () => {
    const { connect, endpoint } = createFixture();
    const five = await connect({ clientId: 'a' });
    const small = await connect({ clientId: 'b', properties: { maximumPacketSize: 22 } });
    const four = await connect({ clientId: 'c', protocolVersion: 4 });
    await endpoint.drain({ timeoutMs: 1_000, serverReference: 'other.example:1883' });
    expect(five.received().at(-1)).toMatchObject({
      cmd: 'disconnect',
      reasonCode: 0x9c,
      properties: { serverReference: 'other.example:1883' },
    });
    expect(small.received().at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x9c, length: 1 });
    expect(four.heard()).toEqual(['connack']);
  });
});
