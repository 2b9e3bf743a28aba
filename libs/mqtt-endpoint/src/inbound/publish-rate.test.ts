import { describe, expect, it } from '@jest/globals';
import type { IPublishPacket } from 'mqtt-packet';
import type { InboundMessage } from '../endpoint-host.ts';
import { createFixture, type Fixture, settled, type TestClient } from '../testing/endpoint-fixture.ts';

const versions = [4, 5] as const;
const stored = { kind: 'stored' } as const;

function publishes(from: number, to: number, qos: 0 | 1 | 2 = 1): IPublishPacket[] {
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const messageId = from + index;
    return { cmd: 'publish', topic: `t/${messageId}`, payload: '', qos, messageId, dup: false, retain: false };
  });
}

const topics = ({ host }: Fixture): string[] => host.publishes.map(({ message }) => message.topic);
const idsOf = (message: InboundMessage): number => Number(message.topic.slice(2));

/** A quarter of a second goes by, with the sweep that the host owes the engine. */
async function quarter({ advance, endpoint }: Fixture): Promise<void> {
  advance(250);
  endpoint.sweep();
  await settled();
}

const pubacks = (client: TestClient): number => client.heard().filter((heard) => heard.startsWith('puback')).length;

describe.each(versions)('a device over its publish rate, in version %d', (protocolVersion) => {
  it('is still read and answered, but not acknowledged', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 5 });
    fixture.host.storesAtOnce = true;
    const client = await fixture.connect({ protocolVersion });
    client.send(...publishes(1, 12), { cmd: 'pingreq' });
    await settled();
    expect(client.transport.isPaused).toBe(false);
    expect(fixture.host.publishes).toHaveLength(5);
    expect(pubacks(client)).toBe(5);
    expect(client.heard()).toContain('pingresp');
    for (let quarters = 0; quarters < 6; quarters++) await quarter(fixture);
    expect(topics(fixture)).toEqual(publishes(1, 12).map(({ topic }) => topic));
    expect(client.heard().filter((heard) => heard.startsWith('puback'))).toEqual(
      publishes(1, 12).map(({ messageId }) => `puback ${messageId}`),
    );
  });

  it('is held to it over the seconds, whatever its window, and nothing is lost or out of order', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 100 });
    fixture.host.storesAtOnce = true;
    const client = await fixture.connect({ protocolVersion });
    let sent = 0;
    for (let quarters = 1; quarters <= 40; quarters++) {
      // It always has as much on the way as it may.
      for (let before = -1; before !== pubacks(client); await settled()) {
        before = pubacks(client);
        while (sent - before < 20) {
          sent += 1;
          client.send(...publishes(sent, sent));
        }
      }
      await quarter(fixture);
      const seconds = quarters / 4;
      expect(fixture.host.publishes.length).toBeLessThanOrEqual(100 + 100 * seconds);
    }
    // The burst of the first second, then some eight of each ten: its window is 20, and we look four times a second.
    expect(fixture.host.publishes.length).toBeGreaterThanOrEqual(100 + 40 * 20);
    expect(fixture.host.publishes.map(({ message }) => idsOf(message))).toEqual(
      fixture.host.publishes.map((_, index) => index + 1),
    );
    expect(pubacks(client)).toBe(fixture.host.publishes.length);
    expect(client.transport.state).toBe('open');
  });

  it('is not told from others as long as it keeps to its rate, and may send a second at once', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 40, receiveMax: 60 });
    const client = await fixture.connect({ protocolVersion });
    for (let second = 0; second < 5; second++) {
      client.send(...publishes(second * 40 + 1, second * 40 + 40));
      expect(fixture.host.publishes).toHaveLength(second * 40 + 40);
      for (const publish of fixture.host.publishes) publish.settle(stored);
      await settled();
      fixture.advance(1_000);
    }
    expect(pubacks(client)).toBe(200);
  });

  it('has nothing overtaken by what comes when the rate has room again', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 2 });
    const client = await fixture.connect({ protocolVersion });
    client.send(...publishes(1, 4));
    fixture.advance(1_000);
    client.send(...publishes(5, 5));
    for (let quarters = 0; quarters < 4; quarters++) await quarter(fixture);
    expect(topics(fixture)).toEqual(['t/1', 't/2', 't/3', 't/4', 't/5']);
  });

  it('is read no more when it holds as many bytes as it may, and goes on when they are fewer', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 2, inboundBytesMax: 300 });
    fixture.host.storesAtOnce = true;
    const client = await fixture.connect({ protocolVersion });
    for (let id = 1; id <= 4; id++) client.publish(id, { payload: 'x'.repeat(100) });
    await settled();
    expect(client.transport.isPaused).toBe(false);
    client.publish(5, { payload: 'x'.repeat(100) });
    expect(client.transport.isPaused).toBe(true);
    await quarter(fixture);
    await quarter(fixture);
    await quarter(fixture);
    await quarter(fixture);
    expect(client.transport.isPaused).toBe(false);
    expect(fixture.host.publishes).toHaveLength(4);
  });

  it('has its QoS 0 held in the same bounds, and none of it is lost while it stays', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 2, receiveMax: 5 });
    fixture.host.storesAtOnce = true;
    const client = await fixture.connect({ protocolVersion });
    client.send(...publishes(1, 20, 0));
    await settled();
    expect(client.transport.isPaused).toBe(true);
    expect(fixture.host.publishes).toHaveLength(2);
    for (let quarters = 0; quarters < 40; quarters++) await quarter(fixture);
    expect(topics(fixture)).toEqual(publishes(1, 20).map(({ topic }) => topic));
    expect(client.transport.isPaused).toBe(false);
  });

  it('leaves unacknowledged what is held when its connection ends, and may send it again', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 1 }, {});
    fixture.host.storesAtOnce = true;
    const keep = { protocolVersion, clean: false, properties: { sessionExpiryInterval: 60 } };
    const client = await fixture.connect(keep);
    client.send(...publishes(1, 4, 2), ...publishes(5, 6, 0));
    client.input.transportClosed();
    await settled();
    for (let quarters = 0; quarters < 40; quarters++) await quarter(fixture);
    expect(topics(fixture)).toEqual(['t/1']);
    expect(fixture.observed.filter((what) => what.startsWith('let go'))).toEqual([
      'let go 2',
      'let go 2',
      'let go 2',
      'let go 0',
      'let go 0',
    ]);
    const next = await fixture.connect(keep);
    next.send(...publishes(1, 2, 2).map((packet) => ({ ...packet, dup: true })));
    await settled();
    // The first is known, the second never came.
    expect(next.heard()).toEqual(['connack', 'pubrec 1', 'pubrec 2']);
    expect(topics(fixture)).toEqual(['t/1', 't/2']);
  });

  it('does not keep a drain waiting', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 1 });
    const client = await fixture.connect({ protocolVersion });
    client.send(...publishes(1, 4));
    const drained = fixture.endpoint.drain({ timeoutMs: 60_000 });
    expect(client.transport.state).toBe('open');
    fixture.host.publishAt(0).settle(stored);
    await drained;
    expect(fixture.host.publishes).toHaveLength(1);
    expect(client.heard()).toEqual(['connack', 'puback 1', ...(protocolVersion === 5 ? ['disconnect 0x8b'] : [])]);
  });

  it('may be closed by the host in the middle of what was held', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 4 });
    const client = await fixture.connect({ protocolVersion });
    client.send(...publishes(1, 12));
    fixture.host.onPublish = (session, message) => {
      if (message.topic === 't/6') session.close('revoked');
    };
    await quarter(fixture);
    await quarter(fixture);
    expect(topics(fixture).at(-1)).toBe('t/6');
    expect(fixture.observed.filter((what) => what === 'let go 1')).toHaveLength(6);
    expect(fixture.host.closed).toMatchObject([{ reason: 'revoked' }]);
    expect(fixture.failures).toEqual([]);
  });
});

describe('the receive maximum', () => {
  it('counts what is held', async () => {
    const { connect, host } = createFixture({ publishesPerSecondMax: 1, receiveMax: 3 });
    const client = await connect();
    client.send(...publishes(1, 3));
    expect(client.transport.state).toBe('open');
    client.send(...publishes(4, 4));
    expect(client.heard().at(-1)).toBe('disconnect 0x93');
    expect(host.publishes).toHaveLength(1);
  });
});

describe('between two sweeps', () => {
  it('what the rate allows goes on by itself', async () => {
    const fixture = createFixture({ publishesPerSecondMax: 10 });
    const client = await fixture.connect();
    client.send(...publishes(1, 15));
    expect(fixture.host.publishes).toHaveLength(10);
    fixture.advance(300);
    while (fixture.host.publishes.length < 13) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(fixture.host.publishes).toHaveLength(13);
  });
});
