import { describe, expect, it } from '@jest/globals';
import { createFixture, settled } from './testing/endpoint-fixture.ts';

describe.each([4, 5] as const)('a thin session in version %d', (protocolVersion) => {
  it('connects, publishes, subscribes, pings and disconnects', async () => {
    const { host, connect, endpoint } = createFixture();
    const client = await connect({ protocolVersion, username: 'd1' });
    expect(client.heard()).toEqual(['connack']);
    client.publish(0, { qos: 0 });
    client.publish(7);
    await settled();
    expect(host.publishes).toHaveLength(2);
    expect(client.heard()).toEqual(['connack']);
    host.publishAt(1).settle({ kind: 'stored' });
    await settled();
    expect(client.heard()).toEqual(['connack', 'puback 7']);
    client.send({ cmd: 'subscribe', messageId: 8, subscriptions: [{ topic: 'a/+', qos: 1 }] });
    client.send({ cmd: 'pingreq' });
    await settled();
    expect(client.heard()).toEqual(['connack', 'puback 7', 'suback 8', 'pingresp']);
    expect(host.subscribedFilters).toEqual([['a/+']]);
    const delivery = endpoint.session('d1')?.send({ topic: 'x', payload: Buffer.from('y'), qos: 1 });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ cmd: 'publish', topic: 'x', messageId: 1 });
    client.send({ cmd: 'puback', messageId: 1 });
    await expect(delivery).resolves.toEqual({ kind: 'delivered', reasonCode: 0 });
    client.send({ cmd: 'disconnect' });
    expect(host.closed).toMatchObject([{ reason: 'clientDisconnected', will: null }]);
    expect(client.transport.state).toBe('ended');
    expect(endpoint.connectionCount).toBe(0);
  });
});
