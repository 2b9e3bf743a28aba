import { describe, expect, it } from '@jest/globals';
import type { ISubackPacket } from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';
import { FILTERS_PER_PACKET_MAX } from '../engine-limits.ts';
import { createFixture, settled, type TestClient } from '../testing/endpoint-fixture.ts';

const MINUTE_MS = 60_000;

function subscribe(client: TestClient, messageId: number, filters: readonly string[]): void {
  client.send({ cmd: 'subscribe', messageId, subscriptions: filters.map((topic) => ({ topic, qos: 0 })) });
}

function granted(client: TestClient): unknown[] {
  return client.received().flatMap((packet) => (packet.cmd === 'suback' ? [(packet as ISubackPacket).granted] : []));
}

describe('SUBSCRIBE packets', () => {
  it.each([
    [5, 0x97],
    [4, 0x80],
  ] as [ProtocolVersion, number][])('past their rate are refused whole, in version %s', async (version, code) => {
    const { connect, advance } = createFixture({ subscribesPerMinuteMax: 2 });
    const client = await connect({ protocolVersion: version });
    for (let messageId = 1; messageId <= 3; messageId += 1) subscribe(client, messageId, ['a', 'b']);
    await settled();
    expect(granted(client)).toEqual([
      [0, 0],
      [0, 0],
      [code, code],
    ]);
    advance(MINUTE_MS / 2);
    subscribe(client, 4, ['a']);
    subscribe(client, 5, ['a']);
    await settled();
    expect(granted(client).slice(3)).toEqual([[0], [code]]);
    expect(client.transport.state).toBe('open');
  });

  it('that were refused leave nothing in force', async () => {
    const { connect, endpoint } = createFixture({ subscribesPerMinuteMax: 1 });
    const client = await connect();
    subscribe(client, 1, ['a']);
    subscribe(client, 2, ['b']);
    await settled();
    expect([...(endpoint.session('d1')?.subscriptions().keys() ?? [])]).toEqual(['a']);
  });

  it.each(['subscribe', 'unsubscribe'] as const)(
    '%s: too many filters in one packet end the connection',
    async (cmd) => {
      const { connect } = createFixture({ packetBytesMax: 65_536 });
      const filters = Array.from({ length: FILTERS_PER_PACKET_MAX + 1 }, (_, index) => `f${index}`);
      const client = await connect();
      if (cmd === 'subscribe') subscribe(client, 1, filters);
      else client.send({ cmd, messageId: 1, unsubscriptions: filters });
      await settled();
      expect(client.heard()).toEqual(['connack', 'disconnect 0x97']);
    },
  );
});
