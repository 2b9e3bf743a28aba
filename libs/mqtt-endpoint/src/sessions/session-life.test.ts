import { describe, expect, it } from '@jest/globals';
import { createFixture, settled } from '../testing/endpoint-fixture.ts';

const will = { topic: 'status', payload: Buffer.from('lost'), qos: 1, retain: false } as const;

describe('takeover', () => {
  it.each([4, 5] as const)('closes the older connection of the device (version %d)', async (protocolVersion) => {
    const { host, connect, endpoint } = createFixture();
    const first = await connect({ protocolVersion, clientId: 'a', username: 'd1' });
    first.publish(1);
    const second = await connect({ protocolVersion, clientId: 'b', username: 'd1' });
    expect(first.heard()).toEqual(['connack', ...(protocolVersion === 5 ? ['disconnect 0x8e'] : [])]);
    expect(first.transport.state).toBe('ended');
    expect(host.calls).toEqual(['opened d1 a', 'closed d1 a takenOver', 'opened d1 b']);
    expect(endpoint.session('d1')?.clientId).toBe('b');
    expect(endpoint.connectionCount).toBe(1);
    host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    expect(second.heard()).toEqual(['connack']);
    // Its late end does not touch the newer session.
    first.input.transportClosed();
    expect(endpoint.session('d1')?.clientId).toBe('b');
  });

  it('leaves devices with the same client id alone when they are different devices', async () => {
    const { connect, endpoint } = createFixture();
    const first = await connect({ clientId: 'same', username: 'd1' });
    await connect({ clientId: 'same', username: 'd2' });
    expect(first.transport.state).toBe('open');
    expect([...endpoint.sessions()]).toHaveLength(2);
  });

  it('leaves one of many simultaneous connections, and the host never sees two at once', async () => {
    const { host, endpoint, connect } = createFixture();
    let open = (): void => undefined;
    host.opening = new Promise((resolve) => {
      open = resolve;
    });
    const clients = [await connect({ clientId: 'a', username: 'd1' })];
    const others = ['b', 'c', 'd'].map((clientId) => connect({ clientId, username: 'd1' }));
    clients.push(...(await Promise.all(others)));
    expect(host.calls).toEqual(['opened d1 a']);
    open();
    await settled();
    // The ones in between were taken over before their turn, so the host never hears of them.
    expect(host.calls).toEqual(['opened d1 a', 'closed d1 a takenOver', 'opened d1 d']);
    expect(clients.map((client) => client.transport.state)).toEqual(['ended', 'ended', 'ended', 'open']);
    expect(endpoint.connectionCount).toBe(1);
    expect(clients[3]?.heard()).toEqual(['connack']);
  });

  it('waits for a session that closed while it was being opened', async () => {
    const { host, connect } = createFixture();
    let open = (): void => undefined;
    host.opening = new Promise((resolve) => {
      open = resolve;
    });
    const first = await connect({ clientId: 'a', username: 'd1' });
    first.input.transportClosed();
    const second = await connect({ clientId: 'b', username: 'd1' });
    expect(host.calls).toEqual(['opened d1 a']);
    open();
    await settled();
    expect(host.calls).toEqual(['opened d1 a', 'closed d1 a connectionLost', 'opened d1 b']);
    expect(second.heard()).toEqual(['connack']);
  });

  it('goes on when the host fails at the older session', async () => {
    const { host, connect, failures } = createFixture();
    await connect({ clientId: 'a', username: 'd1' });
    host.sessionClosed = () => {
      throw new Error('bug');
    };
    expect((await connect({ clientId: 'b', username: 'd1' })).heard()).toEqual(['connack']);
    expect(failures).toHaveLength(1);
  });
});

describe('will', () => {
  it.each([
    ['a lost connection', 'connectionLost', true],
    ['DISCONNECT 0x04', 'clientDisconnected', true],
    ['DISCONNECT 0x00', 'clientDisconnected', false],
    ['a protocol error', 'protocolError', true],
    ['a takeover', 'takenOver', true],
  ] as const)('after %s', async (event, reason, fires) => {
    const { host, connect } = createFixture();
    const client = await connect({ will });
    if (event === 'a lost connection') client.input.transportClosed();
    else if (event === 'DISCONNECT 0x04') client.send({ cmd: 'disconnect', reasonCode: 4 });
    else if (event === 'DISCONNECT 0x00') client.send({ cmd: 'disconnect' });
    else if (event === 'a protocol error') client.sendBytes(0xf3, 0);
    else await connect();
    expect(host.closed).toHaveLength(1);
    expect(host.closed[0]).toMatchObject({ reason, will: fires ? will : null });
  });

  it('is not armed by a refused CONNECT', async () => {
    const { host, connect } = createFixture();
    host.refusal = { kind: 'refused', reason: 'badCredentials', detail: '' };
    await connect({ will });
    expect(host.closed).toEqual([]);
  });
});

describe('closing by the host', () => {
  it.each([
    ['revoked', 0x98],
    ['overloaded', 0x97],
    ['draining', 0x8b],
  ] as const)('%s is told', async (reason, code) => {
    const { host, connect, endpoint } = createFixture();
    const client = await connect();
    endpoint.session('d1')?.close(reason);
    endpoint.session('d1')?.close(reason);
    expect(client.heard()).toEqual(['connack', `disconnect 0x${code.toString(16)}`]);
    expect(host.closed).toMatchObject([{ reason }]);
    expect(endpoint.session('d1')).toBeNull();
  });

  it.each([
    ['revoked', 5, { reasonCode: 0x87 }],
    ['credentialExpired', 5, { reasonCode: 0x87 }],
    ['revoked', 4, { returnCode: 5 }],
    ['overloaded', 5, { reasonCode: 0x89 }],
    ['draining', 4, { returnCode: 3 }],
  ] as const)('while the session is opened, %s is a CONNACK for version %i', async (reason, version, refused) => {
    const { host, connect, endpoint } = createFixture();
    let open = (): void => undefined;
    host.opening = new Promise((resolve) => {
      open = resolve;
    });
    const client = await connect({ protocolVersion: version });
    endpoint.session('d1')?.close(reason);
    expect(client.received()).toMatchObject([{ cmd: 'connack', ...refused }]);
    open();
    await settled();
    expect(host.closed).toMatchObject([{ reason }]);
    expect(client.received()).toHaveLength(1);
    expect(client.transport.state).toBe('ended');
  });
});

describe('subscriptions', () => {
  it('are decided one by one, and only granted ones are in force', async () => {
    const { host, connect, endpoint } = createFixture({ subscriptionsMax: 3 });
    host.maySubscribeTo = (filter) => filter.startsWith('mine');
    const client = await connect();
    const filters = [
      'mine/1',
      'theirs',
      '$share/g/mine',
      'mine/2',
      'mine/1',
      'mine/3',
      'mine/4',
      'mine/'.repeat(300),
      '/'.repeat(200),
    ];
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: filters.map((topic) => ({ topic, qos: 2 })) });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ granted: [1, 0x87, 0x9e, 1, 1, 1, 0x97, 0x8f, 0x8f] });
    expect([...(endpoint.session('d1')?.subscriptions().keys() ?? [])]).toEqual(['mine/1', 'mine/2', 'mine/3']);
    expect(host.subscribedFilters).toEqual([['mine/1', 'mine/2', 'mine/1', 'mine/3']]);
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['mine/1', 'theirs'] });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ cmd: 'unsuback', granted: [0, 0x11] });
    expect(endpoint.session('d1')?.subscriptions().size).toBe(2);
  });

  it('answer 0x80 before version 5', async () => {
    const { host, connect } = createFixture();
    host.maySubscribeTo = () => false;
    const client = await connect({ protocolVersion: 4 });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ granted: [0x80] });
    expect(host.subscribedFilters).toEqual([]);
  });
});
