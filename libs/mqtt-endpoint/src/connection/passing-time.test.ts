import { describe, expect, it } from '@jest/globals';
import { createFixture, settled, type TestClient } from '../testing/endpoint-fixture.ts';

describe('keepalive', () => {
  it.each([4, 5] as const)('closes after one and a half times the interval in version %d', async (protocolVersion) => {
    const { connect, endpoint, advance, host } = createFixture();
    const client = await connect({ protocolVersion, keepalive: 10 });
    advance(15_000);
    endpoint.sweep();
    expect(client.transport.state).toBe('open');
    client.send({ cmd: 'pingreq' });
    advance(15_001);
    endpoint.sweep();
    expect(client.heard()).toEqual(['connack', 'pingresp', ...(protocolVersion === 5 ? ['disconnect 0x8d'] : [])]);
    expect(host.closed).toMatchObject([{ reason: 'keepaliveTimeout' }]);
  });

  it('is the one of the server when version 5 asks for none, and none before', async () => {
    const { connect, endpoint, advance } = createFixture();
    const five = await connect({ clientId: 'a', keepalive: 0 });
    const four = await connect({ clientId: 'b', keepalive: 0, protocolVersion: 4 });
    advance(180_001);
    endpoint.sweep();
    expect(five.transport.state).toBe('ended');
    expect(four.transport.state).toBe('open');
  });

  it('does not count while we do not read', async () => {
    const { connect, endpoint, advance, host } = createFixture({ receiveMax: 1 });
    const client = await connect({ protocolVersion: 4, keepalive: 10 });
    client.publish(1);
    expect(client.transport.isPaused).toBe(true);
    advance(100_000);
    endpoint.sweep();
    expect(client.transport.state).toBe('open');
    host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    advance(14_000);
    endpoint.sweep();
    expect(client.transport.state).toBe('open');
    advance(2_000);
    endpoint.sweep();
    expect(client.transport.state).toBe('ended');
  });
});

describe('handshake', () => {
  it('closes a socket without CONNECT in time, however it dribbles', () => {
    const { client, endpoint, advance } = createFixture();
    const silent = client();
    const dribbling = client();
    for (const byte of [0x10, 0x40, 0, 4, 77]) {
      advance(2_001);
      dribbling.sendBytes(byte);
      endpoint.sweep();
    }
    expect(silent.transport).toMatchObject({ state: 'ended', writes: [] });
    expect(dribbling.transport.state).toBe('ended');
    expect(endpoint.connectionCount).toBe(0);
  });

  it('gives up on a host that does not answer', async () => {
    const { host, connect, endpoint, advance } = createFixture();
    host.opening = new Promise(() => undefined);
    const client = await connect();
    advance(10_001);
    endpoint.sweep();
    expect(client.heard()).toEqual(['connack 0x88']);
    expect(endpoint.connectionCount).toBe(0);
  });
});

describe('a reader that does not read', () => {
  it('is not read from either, and is closed after a while', async () => {
    const { connect, endpoint, advance, host } = createFixture();
    const client = await connect({ keepalive: 5 });
    client.transport.isStuck = true;
    client.send({ cmd: 'pingreq' });
    await settled();
    expect(client.transport.isPaused).toBe(true);
    advance(30_000);
    endpoint.sweep();
    expect(client.transport.state).toBe('open');
    advance(1);
    endpoint.sweep();
    expect(client.transport.state).toBe('destroyed');
    expect(host.closed).toMatchObject([{ reason: 'slowReader' }]);
  });
});

describe('drain', () => {
  it('acknowledges what is in process, then says why it closes', async () => {
    const { connect, client, endpoint, host, advance } = createFixture();
    const busy = await connect({ clientId: 'a' });
    const idle = await connect({ clientId: 'b', protocolVersion: 4 });
    const stranger = client();
    busy.publish(1);
    let isDrained = false;
    const drained = endpoint.drain({ timeoutMs: 5_000 }).then(() => {
      isDrained = true;
    });
    busy.publish(2);
    expect(stranger.transport.state).toBe('ended');
    expect(idle.transport.state).toBe('ended');
    expect((await connect({ clientId: 'c' })).heard()).toEqual(['connack 0x88']);
    advance(4_000);
    endpoint.sweep();
    await settled();
    expect(isDrained).toBe(false);
    host.publishAt(0).settle({ kind: 'stored' });
    await drained;
    expect(busy.heard()).toEqual(['connack', 'puback 1', 'disconnect 0x8b']);
    expect(host.publishes).toHaveLength(1);
    expect(endpoint.connectionCount).toBe(0);
  });

  it('tells so many at once, and serves the others until it is their turn', async () => {
    const { connect, endpoint, host } = createFixture();
    const clients: TestClient[] = [];
    for (const clientId of ['a', 'b', 'c', 'd', 'e']) clients.push(await connect({ clientId }));
    const drained = endpoint.drain({ timeoutMs: 60_000, batchMax: 2 });
    const open = (): number => clients.filter(({ transport }) => transport.state === 'open').length;
    expect(open()).toBe(3);
    clients[4]!.publish(1);
    expect(host.publishes).toHaveLength(1);
    host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    expect(clients[4]!.heard()).toEqual(['connack', 'puback 1']);
    // One that goes by itself takes no place in a batch.
    clients[2]!.input.transportClosed();
    endpoint.sweep();
    expect(endpoint.connectionCount).toBe(0);
    await drained;
    expect(clients[4]!.heard()).toEqual(['connack', 'puback 1', 'disconnect 0x8b']);
  });

  it('answers those whose CONNECT is still being looked at', async () => {
    const { host, connect, endpoint } = createFixture();
    host.authentication = new Promise(() => undefined);
    const client = await connect();
    await endpoint.drain({ timeoutMs: 5_000 });
    expect(client.heard()).toEqual(['connack 0x88']);
  });

  it('does not wait for ever', async () => {
    const { connect, endpoint, advance } = createFixture();
    const busy = await connect();
    busy.publish(1);
    const drained = endpoint.drain({ timeoutMs: 5_000 });
    advance(5_000);
    endpoint.sweep();
    await drained;
    expect(busy.heard()).toEqual(['connack', 'disconnect 0x8b']);
  });
});
