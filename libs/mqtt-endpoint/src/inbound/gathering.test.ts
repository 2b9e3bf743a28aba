import { beforeEach, describe, expect, it } from '@jest/globals';
import { GATHER_MS, GATHERED_MESSAGES_MAX } from '../engine-limits.ts';
import { createFixture, type Fixture, settled, type TestClient } from '../testing/endpoint-fixture.ts';

describe('while the host is behind', () => {
  let fixture: Fixture;
  let client: TestClient;

  async function store(...publishes: readonly number[]): Promise<void> {
    for (const number of publishes) fixture.host.publishAt(number).settle({ kind: 'stored' });
    await settled();
  }

  /** Too late for the next message to be worth waiting for. */
  function publishLater(id: number): void {
    fixture.advance(GATHER_MS);
    client.publish(id);
  }

  beforeEach(async () => {
    fixture = createFixture({ publishesPerSecondMax: 8 });
    client = await fixture.connect({ protocolVersion: 4, keepalive: 1 });
    fixture.endpoint.setGathering(true);
  });

  it('a device with one message on the way is read on', () => {
    publishLater(1);
    expect(client.transport.isPaused).toBe(false);
  });

  it('a device that sends more before its answer is read again after it, and is answered with one write', async () => {
    publishLater(1);
    publishLater(2);
    expect(client.transport.isPaused).toBe(true);
    await store(0);
    expect(client.transport.isPaused).toBe(true);
    await store(1);
    expect(client.transport.isPaused).toBe(false);
    fixture.advance(2 * GATHER_MS);
    client.input.receive(Buffer.concat([3, 4, 5].map((id) => publishBytes(id))));
    expect(client.transport.isPaused).toBe(true);
    const writes = client.transport.writes.length;
    await store(2, 3, 4);
    expect(client.transport.writes).toHaveLength(writes + 1);
    expect(client.heard()).toEqual(['connack', 'puback 1', 'puback 2', 'puback 3', 'puback 4', 'puback 5']);
  });

  it('all of what was read at once is handed over at once', () => {
    client.input.receive(Buffer.concat([1, 2, 3].map((id) => publishBytes(id))));
    expect(fixture.host.publishes).toHaveLength(3);
  });

  it('a device is heard again after a while although the host is silent, and is not closed for it', async () => {
    publishLater(1);
    publishLater(2);
    fixture.advance(GATHER_MS);
    fixture.endpoint.sweep();
    expect(client.transport.isPaused).toBe(true);
    fixture.advance(1);
    fixture.endpoint.sweep();
    expect(client.transport.isPaused).toBe(false);
    client.send({ cmd: 'pingreq' });
    await settled();
    expect(client.heard()).toEqual(['connack', 'pingresp']);
    expect(client.transport.isPaused).toBe(true);
    expect(client.transport.state).toBe('open');
  });

  it('messages that wait for a publish rate, and not for the host, keep nobody from being read', async () => {
    fixture.host.storesAtOnce = true;
    client.input.receive(Buffer.concat([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((id) => publishBytes(id))));
    await settled();
    expect(fixture.host.publishes).toHaveLength(8);
    expect(client.transport.isPaused).toBe(false);
  });

  it('who was not read when it ended is read after his answers', async () => {
    publishLater(1);
    publishLater(2);
    fixture.endpoint.setGathering(false);
    await store(0, 1);
    expect(client.transport.isPaused).toBe(false);
    publishLater(3);
    publishLater(4);
    expect(client.transport.isPaused).toBe(false);
  });
});

describe('while the host is behind, a device that is answered before it sends again', () => {
  let fixture: Fixture;
  let client: TestClient;

  beforeEach(async () => {
    fixture = createFixture();
    fixture.host.storesAtOnce = true;
    client = await fixture.connect({ protocolVersion: 4, keepalive: 1 });
    fixture.endpoint.setGathering(true);
  });

  async function bring(afterMs: number, ...ids: readonly number[]): Promise<void> {
    fixture.advance(afterMs);
    client.input.receive(Buffer.concat(ids.map((id) => publishBytes(id))));
    await settled();
  }

  function pass(ms: number): void {
    fixture.advance(ms);
    fixture.endpoint.sweep();
  }

  it('is left unread for a while if more than one message may come meanwhile, and answered at once', async () => {
    await bring(GATHER_MS / 2, 1);
    expect(client.heard()).toEqual(['connack', 'puback 1']);
    pass(GATHER_MS - 1);
    expect(client.transport.isPaused).toBe(true);
    pass(1);
    expect(client.transport.isPaused).toBe(false);
    await bring(0, 2, 3);
    expect(client.transport.isPaused).toBe(true);
  });

  it('is not, if it sends often', async () => {
    const apartMs = GATHER_MS / GATHERED_MESSAGES_MAX - 1;
    await bring(apartMs, 1);
    expect(client.transport.isPaused).toBe(false);
    await bring(2 * apartMs, 2, 3);
    expect(client.transport.isPaused).toBe(false);
  });

  it('is not, if it sends seldom', async () => {
    await bring(GATHER_MS / 2 + 1, 1);
    expect(client.transport.isPaused).toBe(false);
    await bring(GATHER_MS + 1, 2, 3);
    expect(client.transport.isPaused).toBe(false);
  });

  it('is read again by a timer', async () => {
    await bring(GATHER_MS / 2, 1);
    expect(client.transport.isPaused).toBe(true);
    fixture.advance(GATHER_MS);
    while (client.transport.isPaused) await new Promise((resolve) => setTimeout(resolve, 1));
  });

  it('is left alone when it has gone meanwhile', async () => {
    await bring(GATHER_MS / 2, 1);
    client.input.transportClosed();
    pass(GATHER_MS);
    expect(client.transport.isPaused).toBe(true);
  });
});

/** MQTT 3.1.1, QoS 1, topic `t`, no payload. */
function publishBytes(packetId: number): Buffer {
  return Buffer.from([0x32, 5, 0, 1, 0x74, 0, packetId]);
}
