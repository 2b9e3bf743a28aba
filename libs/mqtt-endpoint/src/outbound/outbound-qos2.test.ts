import { describe, expect, it } from '@jest/globals';
import type { DeliveryOutcome } from '../endpoint-host.ts';
import { createFixture, settled } from '../testing/endpoint-fixture.ts';

const message = { topic: 'down', payload: Buffer.from('x'), qos: 2 } as const;

describe.each([4, 5] as const)('QoS 2 to a client of version %d', (protocolVersion) => {
  it('is delivered with PUBREC and holds its packet id until PUBCOMP', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect({ protocolVersion });
    const outcomes: DeliveryOutcome[] = [];
    void endpoint
      .session('d1')
      ?.send(message)
      .then((outcome) => outcomes.push(outcome));
    await settled();
    expect(client.received().at(-1)).toMatchObject({ qos: 2, messageId: 1, dup: false });
    client.send({ cmd: 'pubrec', messageId: 1 });
    await settled();
    expect(outcomes).toEqual([{ kind: 'delivered', reasonCode: 0 }]);
    client.send({ cmd: 'pubrec', messageId: 1 });
    client.send({ cmd: 'pubcomp', messageId: 1 });
    client.send({ cmd: 'pubcomp', messageId: 1 });
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish 1', 'pubrel 1', 'pubrel 1']);
    expect(outcomes).toHaveLength(1);
    client.input.transportClosed();
    await settled();
    expect(outcomes).toHaveLength(1);
  });

  it.each(['puback', 'pubcomp'] as const)('ends the connection when it is answered with %s at once', async (cmd) => {
    const { connect, endpoint } = createFixture();
    const client = await connect({ protocolVersion });
    const delivery = endpoint.session('d1')?.send(message);
    await settled();
    client.send({ cmd, messageId: 1 });
    await expect(delivery).resolves.toEqual({ kind: 'notDelivered', reason: 'sessionEnded' });
    expect(client.transport.state).toBe('ended');
  });
});

describe('QoS 2 in MQTT 5', () => {
  it('ends with a PUBREC that refuses, and makes room for the next message', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect({ properties: { receiveMaximum: 1 } });
    const first = endpoint.session('d1')?.send(message);
    void endpoint.session('d1')?.send(message);
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish 1']);
    client.send({ cmd: 'pubrec', messageId: 1, reasonCode: 0x97 });
    await expect(first).resolves.toEqual({ kind: 'delivered', reasonCode: 0x97 });
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish 1', 'publish 2']);
  });

  it('counts against the receive maximum of the client until PUBCOMP', async () => {
    const { connect, endpoint } = createFixture();
    const client = await connect({ properties: { receiveMaximum: 1 } });
    for (let count = 0; count < 2; count++) void endpoint.session('d1')?.send(message);
    await settled();
    client.send({ cmd: 'pubrec', messageId: 1 });
    await settled();
    expect(client.heard()).toEqual(['connack', 'publish 1', 'pubrel 1']);
    client.send({ cmd: 'pubcomp', messageId: 1 });
    await settled();
    expect(client.heard().at(-1)).toBe('publish 2');
  });

  it('does not answer a refusal of what it never sent', async () => {
    const { connect } = createFixture();
    const client = await connect();
    client.send({ cmd: 'pubrec', messageId: 9, reasonCode: 0x97 });
    await settled();
    expect(client.heard()).toEqual(['connack']);
  });
});

describe('a filter asked with QoS 2', () => {
  it.each([1, 2] as const)('is granted with QoS %d where that is the largest', async (outboundQosMax) => {
    const { connect, host } = createFixture({ outboundQosMax });
    const client = await connect();
    const subscriptions = [{ topic: 'a', qos: 2, nl: true, rap: true, rh: 1 } as const];
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
    client.send({ cmd: 'subscribe', messageId: 2, subscriptions });
    await settled();
    expect(client.received().at(-1)).toMatchObject({ granted: [outboundQosMax] });
    const grant = { filter: 'a', qos: outboundQosMax, noLocal: true, retainAsPublished: true, retainHandling: 1 };
    expect(host.grants).toEqual([
      { ...grant, existed: false },
      { ...grant, existed: true },
    ]);
  });
});
