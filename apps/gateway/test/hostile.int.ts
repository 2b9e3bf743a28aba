import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';

import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

const ROUNDS = 150;
const GOOD_PER_ROUND = 3;

const topics = fc.oneof(
  fc
    .constantFrom('telemetry', 'attributes', 'twin/reported', 'twin/get', 'status', 'events/e', 'x')
    .map((tail) => `v1/devices/me/${tail}`),
  fc.constantFrom(
    'v1/devices/good/telemetry',
    'v1/devices/me/',
    'v1/devices//telemetry',
    '/',
    'v1/devices/me/telemetry/',
    '$SYS/x',
  ),
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 400 })
    .filter((topic) => !['+', '#', '\0'].some((banned) => topic.includes(banned))),
);
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc.jsonValue({ maxDepth: 12 }).map((value) => Buffer.from(JSON.stringify(value))),
  fc
    .constantFrom('[', '{"__proto__":1}', '{"constructor":{"prototype":1}}', '{"a":1e999}', '\uFEFF{}')
    .map((text) => Buffer.from(text)),
  fc.constantFrom(60_000, 140_000).map((length) => Buffer.alloc(length, '[')),
  fc.constant(Buffer.alloc(50_000, 0x81)),
);
const publishes = fc.record({
  topic: topics,
  payload: payloads,
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  dup: fc.boolean(),
  retain: fc.boolean(),
});
const subscribes = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 });

describe('a gateway under hostile devices', () => {
  let gateway: GatewayFixture;
  afterEach(() => gateway.stop());

  it('loses no good message, and goes on', async () => {
    gateway = await startFixture({ settings: { deadLetterBytesPerHourMax: 64 * 1024 } });
    await gateway.addDevice('good');
    await gateway.addDevice('hostile');
    const good = await RawClient.open(gateway.ports.mqtt, 'good');
    let hostile = await RawClient.open(gateway.ports.mqtt, 'hostile', 5);
    let sent = 0;
    const attacks = fc.sample(fc.tuple(publishes, fc.uint8Array({ maxLength: 60 }), fc.nat(), subscribes, fc.nat(5)), {
      numRuns: ROUNDS,
      seed: 20_261_122,
    });
    for (const [publish, bytes, at, filter, kind] of attacks) {
      if (hostile.closed) hostile = await RawClient.open(gateway.ports.mqtt, 'hostile', 5);
      const packet: Packet = {
        cmd: 'publish',
        ...publish,
        dup: publish.qos > 0 && publish.dup,
        payload: Buffer.from(publish.payload),
      };
      if (kind < 3) hostile.send(packet);
      else if (kind === 3) hostile.sendBytes(bytes);
      else if (kind === 4) hostile.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos: 1 }] });
      else {
        const mutated = generate(packet, { protocolVersion: 5 });
        mutated[at % mutated.length] = (at >> 8) & 0xff;
        hostile.sendBytes(mutated);
      }
      for (let count = 0; count < GOOD_PER_ROUND; count += 1) {
        sent += 1;
        good.publish(sent, JSON.stringify({ n: sent }));
      }
    }
    expect(await good.acknowledgements(sent)).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
    const numbers = (await gateway.recordsOf('good')).flatMap(({ message }) =>
      message.kind === 'telemetry' ? [message.points[0]?.values.get('n')] : [],
    );
    expect(numbers).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
    // Every line is one that consumers can read, and nobody wrote in another's name.
    const records = await gateway.recordsOf('hostile');
    expect(records.some(({ message }) => message.kind === 'deadLetter')).toBe(true);
    good.drop();
    hostile.drop();
    await until(
      'both ends to be recorded',
      async () => (await gateway.directory.scan(0 as never, '0', 10)).entries.length === 0,
    );
  });

  it('records each refused message, over the quota of its device without its bytes', async () => {
    gateway = await startFixture({ settings: { deadLetterBytesPerHourMax: 700 } });
    await gateway.addDevice('hostile');
    const hostile = await RawClient.open(gateway.ports.mqtt, 'hostile', 5);
    const topic = `${'t'.repeat(255)}\u{1f600}`;
    for (let messageId = 1; messageId <= 3; messageId += 1) hostile.publish(messageId, 'no json', { topic });
    await hostile.acknowledgements(3);
    const letters = (await gateway.recordsOf('hostile')).flatMap(({ message }) =>
      message.kind === 'deadLetter' ? [message] : [],
    );
    expect(letters.map(({ payloadBase64 }) => payloadBase64)).toEqual([btoa('no json'), '', '']);
    expect(letters[0]?.topic).toBe('t'.repeat(255));
    expect(letters[2]?.detail).toContain('its bytes are not kept');
    hostile.drop();
  });

  it('takes no connection that says nothing, and survives what is no MQTT', async () => {
    gateway = await startFixture({ settings: { connectTimeoutMs: 100 } });
    await gateway.addDevice('good');
    const samples = fc.sample(fc.uint8Array({ minLength: 0, maxLength: 200 }), { numRuns: 40, seed: 7 });
    const clients = await Promise.all(samples.map((bytes) => rawBytes(gateway.ports.mqtt, bytes)));
    await until('all of them to be closed', () => clients.every(({ closed }) => closed));
    const good = await RawClient.open(gateway.ports.mqtt, 'good');
    good.publish(1, '{"a":1}');
    expect(await good.acknowledgements(1)).toEqual([1]);
    good.drop();
  });
});

async function rawBytes(port: number, bytes: Uint8Array): Promise<{ readonly closed: boolean }> {
  const { connect } = await import('node:net');
  const socket = connect({ host: '127.0.0.1', port });
  const state = { closed: false };
  socket.on('error', () => undefined);
  socket.on('close', () => (state.closed = true));
  socket.write(bytes);
  return state;
}
