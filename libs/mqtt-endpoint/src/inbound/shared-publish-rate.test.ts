import { beforeEach, describe, expect, it } from '@jest/globals';
import type { IPublishPacket } from 'mqtt-packet';
import { createFixture, type Fixture, settled, type TestClient } from '../testing/endpoint-fixture.ts';
import { SharedPublishRate } from './shared-publish-rate.ts';

const TICK_MS = 20;

function publishes(count: number, qos: 0 | 1 = 1): IPublishPacket[] {
  return Array.from({ length: count }, (_, index) => {
    return { cmd: 'publish', topic: 't', payload: '', qos, messageId: index + 1, dup: false, retain: false };
  });
}

/** How many messages of each device were handed over. */
function handedOver({ host }: Fixture): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { session } of host.publishes) counts[session.identity.name] = (counts[session.identity.name] ?? 0) + 1;
  return counts;
}

async function pass(fixture: Fixture, durationMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < durationMs; passedMs += TICK_MS) {
    fixture.advance(TICK_MS);
    fixture.endpoint.sweep();
    await settled();
  }
}

describe('connections that share a rate', () => {
  let fixture: Fixture;

  function share(messagesPerSecondMax: number, bytesPerSecondMax = 0): SharedPublishRate {
    const rate = new SharedPublishRate({ messagesPerSecondMax, bytesPerSecondMax }, 1_000);
    fixture.host.sharedRate = rate;
    return rate;
  }

  const connect = (clientId: string): Promise<TestClient> => fixture.connect({ clientId, protocolVersion: 4 });

  beforeEach(() => {
    fixture = createFixture({ receiveMax: 1_000 });
    fixture.host.storesAtOnce = true;
  });

  it('get no more than it together, and lose nothing', async () => {
    share(100);
    const clients = [await connect('a'), await connect('b')];
    for (const client of clients) client.send(...publishes(200));
    expect(fixture.host.publishes).toHaveLength(100);
    await pass(fixture, 1_000);
    expect(fixture.host.publishes).toHaveLength(200);
    await pass(fixture, 3_000);
    expect(handedOver(fixture)).toEqual({ a: 200, b: 200 });
    expect(clients.map(({ transport }) => transport.state)).toEqual(['open', 'open']);
  });

  it('have equal parts of it, however much one of them sends and whoever came first', async () => {
    const rate = share(100);
    const loud = await connect('loud');
    loud.send(...publishes(900));
    const quiet = [await connect('q1'), await connect('q2'), await connect('q3')];
    for (const client of quiet) client.send(...publishes(50));
    expect(rate.waiting).toBe(4);
    const before = handedOver(fixture)['loud'] ?? 0;
    await pass(fixture, 1_000);
    const { loud: all = 0, ...others } = handedOver(fixture);
    expect(all - before).toBeGreaterThanOrEqual(24);
    expect(all - before).toBeLessThanOrEqual(26);
    for (const count of Object.values(others)) expect(Math.abs(count - 25)).toBeLessThanOrEqual(1);
    await pass(fixture, 10_000);
    expect(rate.waiting).toBe(0);
    expect(handedOver(fixture)).toEqual({ loud: 900, q1: 50, q2: 50, q3: 50 });
  });

  it('are not passed by one who comes later', async () => {
    share(10);
    const early = await connect('early');
    early.send(...publishes(30));
    // Half a second later there is room, but it belongs to who waits for it.
    fixture.advance(500);
    const late = await connect('late');
    late.send(...publishes(1));
    expect(handedOver(fixture)).toEqual({ early: 10 });
    await pass(fixture, TICK_MS);
    expect(handedOver(fixture)).toEqual({ early: 14, late: 1 });
  });

  it('count bytes too, and a message larger than a second of them passes', async () => {
    const rate = share(0, 1_000);
    const client = await connect('a');
    for (let id = 1; id <= 3; id++) client.publish(id, { payload: 'x'.repeat(3_000) });
    expect(fixture.host.publishes).toHaveLength(1);
    await pass(fixture, 1_900);
    expect(fixture.host.publishes).toHaveLength(1);
    await pass(fixture, 300);
    expect(fixture.host.publishes).toHaveLength(2);
    expect(rate.waiting).toBe(1);
  });

  it('wait no more when they are closed', async () => {
    const rate = share(1);
    const [gone, stays] = [await connect('gone'), await connect('stays')];
    gone.send(...publishes(3));
    stays.send(...publishes(2));
    expect(rate.waiting).toBe(2);
    gone.input.transportClosed();
    expect(rate.waiting).toBe(1);
    await pass(fixture, 2_100);
    expect(handedOver(fixture)).toEqual({ gone: 1, stays: 2 });
    expect(rate.waiting).toBe(0);
  });

  it('do not wait for one that is over its own rate', async () => {
    fixture = createFixture({ publishesPerSecondMax: 5, receiveMax: 1_000 });
    fixture.host.storesAtOnce = true;
    const rate = share(100);
    const [loud, other] = [await connect('loud'), await connect('other')];
    loud.send(...publishes(50));
    expect(rate.waiting).toBe(0);
    other.send(...publishes(5));
    expect(handedOver(fixture)).toEqual({ loud: 5, other: 5 });
  });
});

describe('a device over its own rate', () => {
  const limits = { publishesPerSecondMax: 10, overRateMsMax: 30_000, receiveMax: 100 };

  it('is disconnected with a reason when that lasts', async () => {
    const fixture = createFixture(limits);
    fixture.host.storesAtOnce = true;
    const client = await fixture.connect();
    for (let second = 0; second < 29; second++) {
      client.send(...publishes(11));
      await pass(fixture, 1_000);
      expect(client.transport.state).toBe('open');
    }
    client.send(...publishes(11));
    await pass(fixture, 1_100);
    expect(client.heard().at(-1)).toBe('disconnect 0x96');
    expect(fixture.observed).toContain('ended overRate 0x96');
    expect(fixture.host.closed).toMatchObject([{ reason: 'overRate' }]);
  });

  it('is told nothing but the end before MQTT 5', async () => {
    const fixture = createFixture({ ...limits, overRateMsMax: 1_000 });
    const client = await fixture.connect({ protocolVersion: 4 });
    client.send(...publishes(40));
    await pass(fixture, 1_100);
    expect(client.transport.state).not.toBe('open');
    expect(client.heard()).toEqual(['connack']);
  });

  it('stays when it was within it for a while', async () => {
    const fixture = createFixture(limits);
    fixture.host.storesAtOnce = true;
    const client = await fixture.connect();
    for (let minute = 0; minute < 4; minute++) {
      for (let second = 0; second < 20; second++) {
        client.send(...publishes(11));
        await pass(fixture, 1_000);
      }
      await pass(fixture, 6_000);
    }
    expect(client.transport.state).toBe('open');
  });

  it('stays for ever without a limit of that time, and when only what it shares keeps it waiting', async () => {
    const fixture = createFixture({ ...limits, publishesPerSecondMax: 1_000 });
    fixture.host.sharedRate = new SharedPublishRate({ messagesPerSecondMax: 1, bytesPerSecondMax: 0 }, 1_000);
    const client = await fixture.connect();
    client.send(...publishes(90));
    await pass(fixture, 60_000);
    expect(client.transport.state).toBe('open');
    const patient = createFixture({ ...limits, overRateMsMax: 0, publishesPerSecondMax: 1 });
    const slowed = await patient.connect();
    slowed.send(...publishes(90));
    await pass(patient, 60_000);
    expect(slowed.transport.state).toBe('open');
  });
});

describe('under pressure', () => {
  it('a connection is read again only when nothing of it is in process, and all goes on afterwards', async () => {
    const fixture = createFixture();
    const client = await fixture.connect({ protocolVersion: 4, keepalive: 10 });
    fixture.endpoint.setPressure(true);
    expect(client.transport.isPaused).toBe(false);
    client.send(...publishes(3));
    expect(client.transport.isPaused).toBe(true);
    expect(fixture.observed).toEqual(['stopped by pressure']);
    expect(fixture.host.publishes).toHaveLength(1);
    // Nobody is closed for his silence while he is not read.
    await pass(fixture, 60_000);
    expect(client.transport.state).toBe('open');
    fixture.host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    expect(fixture.host.publishes).toHaveLength(2);
    expect(client.transport.isPaused).toBe(true);
    fixture.endpoint.setPressure(false);
    fixture.host.publishAt(1).settle({ kind: 'stored' });
    await settled();
    expect(client.transport.isPaused).toBe(false);
    expect(fixture.host.publishes).toHaveLength(3);
  });

  it('what is in process when it begins is settled first', async () => {
    const fixture = createFixture();
    const client = await fixture.connect({ protocolVersion: 4 });
    client.send(...publishes(3));
    fixture.endpoint.setPressure(true);
    client.send(...publishes(2));
    expect(client.transport.isPaused).toBe(true);
    for (const settledOnes of [0, 1, 2]) {
      fixture.host.publishAt(settledOnes).settle({ kind: 'stored' });
      await settled();
      expect(fixture.host.publishes).toHaveLength(4);
    }
    fixture.host.publishAt(3).settle({ kind: 'stored' });
    await settled();
    expect(fixture.host.publishes).toHaveLength(5);
  });

  it('a connection without a message in process is read as ever', async () => {
    const fixture = createFixture();
    const client = await fixture.connect();
    fixture.endpoint.setPressure(true);
    client.send({ cmd: 'pingreq' });
    expect(client.transport.isPaused).toBe(false);
    await settled();
    expect(client.heard()).toEqual(['connack', 'pingresp']);
  });
});
