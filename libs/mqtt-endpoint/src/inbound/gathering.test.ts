import { beforeEach, describe, expect, it } from '@jest/globals';
import { GATHER_MS_MAX } from '../engine-limits.ts';
import { createFixture, type Fixture, settled, type TestClient } from '../testing/endpoint-fixture.ts';

describe('while the host is behind', () => {
  let fixture: Fixture;
  let client: TestClient;

  async function store(...publishes: readonly number[]): Promise<void> {
    for (const number of publishes) fixture.host.publishAt(number).settle({ kind: 'stored' });
    await settled();
  }

  beforeEach(async () => {
    fixture = createFixture({ publishesPerSecondMax: 5 });
    client = await fixture.connect({ protocolVersion: 4, keepalive: 1 });
    fixture.endpoint.setGathering(true);
  });

  it('a device with one message on the way is read on', () => {
    client.publish(1);
    expect(client.transport.isPaused).toBe(false);
  });

  it('a device that sends more before its answer is read again after it, and is answered with one write', async () => {
    client.publish(1);
    client.publish(2);
    expect(client.transport.isPaused).toBe(true);
    await store(0);
    expect(client.transport.isPaused).toBe(true);
    await store(1);
    expect(client.transport.isPaused).toBe(false);
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
    client.publish(1);
    client.publish(2);
    fixture.advance(GATHER_MS_MAX);
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
    client.input.receive(Buffer.concat([1, 2, 3, 4, 5, 6, 7].map((id) => publishBytes(id))));
    await settled();
    expect(fixture.host.publishes).toHaveLength(5);
    expect(client.transport.isPaused).toBe(false);
  });

  it('who was not read when it ended is read after his answers', async () => {
    client.publish(1);
    client.publish(2);
    fixture.endpoint.setGathering(false);
    await store(0, 1);
    expect(client.transport.isPaused).toBe(false);
    client.publish(3);
    client.publish(4);
    expect(client.transport.isPaused).toBe(false);
  });
});

/** MQTT 3.1.1, QoS 1, topic `t`, no payload. */
function publishBytes(packetId: number): Buffer {
  return Buffer.from([0x32, 5, 0, 1, 0x74, 0, packetId]);
}
