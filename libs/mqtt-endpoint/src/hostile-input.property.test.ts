import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { connectPacket, createFixture, settled, type TestClient } from './testing/endpoint-fixture.ts';

const versions = [3, 4, 5] as const;

const goodPackets: readonly Packet[] = [
  connectPacket({
    clientId: 'fuzz',
    username: 'fuzz',
    password: Buffer.from('secret'),
    will: { topic: 'w', payload: Buffer.from('x'), qos: 1, retain: false },
    properties: { sessionExpiryInterval: 1, receiveMaximum: 3, userProperties: { a: ['b', 'c'] } },
  }),
  { cmd: 'publish', topic: 't', payload: 'p', qos: 0, dup: false, retain: true },
  { cmd: 'publish', topic: 't', payload: 'p', qos: 1, messageId: 1, dup: false, retain: false },
  {
    cmd: 'publish',
    topic: 'long/topic',
    payload: 'x'.repeat(200),
    qos: 2,
    messageId: 2,
    dup: true,
    retain: false,
    properties: {
      topicAlias: 1,
      contentType: 'c',
      messageExpiryInterval: 3,
      userProperties: { id: '1', x: ['2', '3'] },
    },
  },
  { cmd: 'pubrel', messageId: 2 },
  { cmd: 'puback', messageId: 1, reasonCode: 0x10, properties: { reasonString: 'r' } },
  { cmd: 'pubrec', messageId: 3 },
  { cmd: 'pubcomp', messageId: 4 },
  {
    cmd: 'subscribe',
    messageId: 5,
    subscriptions: [
      { topic: 'a/+/#', qos: 1 },
      { topic: '__proto__', qos: 2, nl: true, rap: true, rh: 1 },
    ],
  },
  { cmd: 'unsubscribe', messageId: 6, unsubscriptions: ['a', 'b/#'] },
  { cmd: 'pingreq' },
  { cmd: 'disconnect', reasonCode: 4, properties: { sessionExpiryInterval: 1, reasonString: 'bye' } },
];

interface Mutation {
  readonly kind: 'flip' | 'insert' | 'remove' | 'cut' | 'double';
  readonly at: number;
  readonly value: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('flip' as const, 'insert' as const, 'remove' as const, 'cut' as const, 'double' as const),
  at: fc.nat({ max: 300 }),
  value: fc.integer({ min: 0, max: 255 }),
});

function mutate(bytes: Buffer, { kind, at, value }: Mutation): Buffer {
  const index = bytes.length === 0 ? 0 : at % bytes.length;
  const head = bytes.subarray(0, index);
  switch (kind) {
    case 'flip': {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[index] = value;
      return copy;
    }
    case 'insert':
      return Buffer.concat([head, Buffer.from([value]), bytes.subarray(index)]);
    case 'remove':
      return Buffer.concat([head, bytes.subarray(index + 1)]);
    case 'cut':
      return head;
    case 'double':
      return Buffer.concat([bytes, bytes]);
  }
}

function feed(client: TestClient, bytes: Buffer, chunkBytes: number): void {
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    client.input.receive(bytes.subarray(start, start + chunkBytes));
  }
}

/** Whatever a hostile client sent, its neighbour is served and no host call or engine part has failed. */
async function expectNeighbourServed(fixture: ReturnType<typeof createFixture>, neighbour: TestClient): Promise<void> {
  await settled();
  neighbour.transport.writes.length = 0;
  neighbour.publish(77);
  neighbour.send({ cmd: 'pingreq' });
  await settled();
  expect(neighbour.heard().sort()).toEqual(['pingresp', 'puback 77']);
  expect(fixture.failures).toEqual([]);
}

describe('hostile input', () => {
  it('of random bytes never disturbs a neighbour', async () => {
    const fixture = createFixture();
    fixture.host.storesAtOnce = true;
    const neighbour = await fixture.connect({ clientId: 'neighbour' });
    const input = fc.record({
      bytes: fc.uint8Array({ maxLength: 300 }),
      version: fc.constantFrom(...versions),
      isConnected: fc.boolean(),
      chunkBytes: fc.integer({ min: 1, max: 64 }),
    });
    await fc.assert(
      fc.asyncProperty(input, async ({ bytes, version, isConnected, chunkBytes }) => {
        const client = isConnected
          ? await fixture.connect({ protocolVersion: version, clientId: 'hostile' })
          : fixture.client(version);
        feed(client, Buffer.from(bytes), chunkBytes);
        await expectNeighbourServed(fixture, neighbour);
        client.input.transportClosed();
        expect(fixture.endpoint.connectionCount).toBe(1);
      }),
      { numRuns: 1_000 },
    );
  });

  it('of mutated packets never disturbs a neighbour', async () => {
    const fixture = createFixture();
    fixture.host.storesAtOnce = true;
    const neighbour = await fixture.connect({ clientId: 'neighbour' });
    const input = fc.record({
      packets: fc.array(
        fc.record({ which: fc.nat({ max: goodPackets.length - 1 }), changes: fc.array(mutation, { maxLength: 2 }) }),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      version: fc.constantFrom(...versions),
      isConnected: fc.boolean(),
      chunkBytes: fc.integer({ min: 1, max: 400 }),
    });
    await fc.assert(
      fc.asyncProperty(input, async ({ packets, version, isConnected, chunkBytes }) => {
        const bytes = packets.map(({ which, changes }) => {
          const good = goodPackets[which] as Packet;
          const packet =
            good.cmd === 'connect' ? { ...good, protocolVersion: version, protocolId: 'MQTT' as const } : good;
          return changes.reduce(mutate, generate(packet, { protocolVersion: version }));
        });
        const client = isConnected
          ? await fixture.connect({ protocolVersion: version, clientId: 'hostile' })
          : fixture.client(version);
        feed(client, Buffer.concat(bytes), chunkBytes);
        await expectNeighbourServed(fixture, neighbour);
        client.input.transportClosed();
        expect(fixture.endpoint.connectionCount).toBe(1);
        expect([...fixture.endpoint.sessions()]).toHaveLength(1);
      }),
      { numRuns: 3_000 },
    );
  }, 60_000);
});

const word = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .filter((text) => !text.includes('\u0000') && !text.includes('\ufffd'));
const topicName = word.map((text) => `t${text.replaceAll(/[+#]/g, '')}`);

describe('good input', () => {
  it('arrives as it was sent, however it is cut', async () => {
    const message = fc.record({
      topic: topicName,
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
      retain: fc.boolean(),
      contentType: fc.option(word, { nil: undefined }),
      id: fc.option(word, { nil: undefined }),
    });
    const input = fc.record({
      messages: fc.array(message, { minLength: 1, maxLength: 10 }),
      version: fc.constantFrom(...versions),
      chunkBytes: fc.integer({ min: 1, max: 500 }),
    });
    await fc.assert(
      fc.asyncProperty(input, async ({ messages, version, chunkBytes }) => {
        const { host, connect } = createFixture();
        host.storesAtOnce = true;
        const client = await connect({ protocolVersion: version });
        const bytes = messages.map(({ contentType, id, ...rest }, index) =>
          generate(
            {
              cmd: 'publish',
              ...rest,
              dup: false,
              ...(rest.qos > 0 && { messageId: index + 1 }),
              ...(version === 5 && {
                properties: {
                  ...(contentType !== undefined && { contentType }),
                  ...(id !== undefined && { userProperties: { id } }),
                },
              }),
            },
            { protocolVersion: version },
          ),
        );
        feed(client, Buffer.concat(bytes), chunkBytes);
        await settled();
        expect(
          host.publishes.map(({ message: { topic, payload, qos, retain } }) => ({
            topic,
            payload: Buffer.from(payload),
            qos,
            retain,
          })),
        ).toEqual(messages.map(({ topic, payload, qos, retain }) => ({ topic, payload, qos, retain })));
        if (version === 5) {
          expect(host.publishes.map((handedOver) => handedOver.message.userProperties)).toEqual(
            messages.map(({ id }) => (id === undefined ? [] : [['id', id]])),
          );
        }
      }),
      { numRuns: 300 },
    );
  });
});
