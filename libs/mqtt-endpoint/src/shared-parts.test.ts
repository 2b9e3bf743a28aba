import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { createFixture, settled, type Fixture } from './testing/endpoint-fixture.ts';
import type { MemoryTransport } from './testing/memory-transport.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };

describe('CONNACKs that are encoded once', () => {
  it('say to each client what is its own', async () => {
    const { connect } = createFixture({}, {});
    const properties = async (options: Parameters<typeof connect>[0]) => {
      const [connack] = (await connect(options)).received();
      return connack?.cmd === 'connack' ? { ...connack.properties, present: connack.sessionPresent } : null;
    };
    const usual = await properties({ clientId: 'a' });
    expect(await properties({ clientId: '' })).toHaveProperty('assignedClientIdentifier');
    expect(await properties({ clientId: 'b', keepalive: 0 })).toHaveProperty('serverKeepAlive', 120);
    const greedy = { sessionExpiryInterval: 1_000_000 };
    expect(await properties({ clientId: 'c', properties: greedy })).toHaveProperty('sessionExpiryInterval', 3_600);
    expect(await properties({ clientId: 'd', ...kept })).toEqual(usual);
    expect(await properties({ clientId: 'd', ...kept })).toEqual({ ...usual, present: true });
    expect(await properties({ clientId: 'e' })).toEqual(usual);
  });

  it('tell versions before 5 of their session, and 3.1 not', async () => {
    const { connect } = createFixture({}, {});
    const present: unknown[] = [];
    for (const [clientId, protocolVersion] of [
      ['a', 4] as const,
      ['a', 4] as const,
      ['b', 3] as const,
      ['b', 3] as const,
    ]) {
      const [connack] = (await connect({ clientId, protocolVersion, clean: false })).received();
      present.push(connack?.cmd === 'connack' && connack.sessionPresent);
    }
    expect(present).toEqual([false, true, false, false]);
  });
});

describe('a client that has said DISCONNECT', () => {
  it('is read on, so that its end is seen, and means nothing any more', async () => {
    const { connect, host } = createFixture();
    const client = await connect();
    client.send({ cmd: 'disconnect' });
    expect(client.transport).toMatchObject({ state: 'ended', isPaused: false });
    client.publish(1);
    client.input.transportClosed();
    expect(host.publishes).toEqual([]);
    expect(host.closed).toMatchObject([{ reason: 'clientDisconnected' }]);
  });
});

describe('a session that goes on without its connection', () => {
  async function connectAndCut({ connect, host }: Fixture): Promise<WeakRef<MemoryTransport>> {
    const client = await connect(kept);
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 1 }] });
    client.publish(1);
    host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    client.input.transportClosed();
    host.publishes.length = 0;
    return new WeakRef(client.transport);
  }

  it('does not keep it in memory', async () => {
    const fixture = createFixture({}, {});
    const transport = await connectAndCut(fixture);
    for (let round = 0; round < 20 && transport.deref() !== undefined; round++) {
      await settled();
      collect();
    }
    expect(transport.deref()).toBeUndefined();
    expect([...fixture.endpoint.detachedSessions()]).toHaveLength(1);
  });

  it('ignores a close that is meant for it', async () => {
    const fixture = createFixture({}, {});
    await connectAndCut(fixture);
    const [session] = fixture.endpoint.detachedSessions();
    session?.close('revoked');
    expect([...fixture.endpoint.detachedSessions()]).toHaveLength(1);
    expect(fixture.host.closed).toHaveLength(1);
  });
});
