import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generate, type IPublishPacket } from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';
import { KnownTopics, readPublishAgain } from './known-topics.ts';
import { PacketFramer } from './packet-framer.ts';
import { PacketLayout } from './packet-layout.ts';
import { validatePacket } from './packet-validator.ts';
import { readPlainPublish } from './plain-publish.ts';

const TOPICS = ['v1/devices/me/telemetry', 'v1/devices/me/telemetrz', 'v1/devices/me/teleme', 'ü/t'] as const;
const version = fc.constantFrom<ProtocolVersion>(3, 4, 5);
const publish = fc.record({
  topic: fc.constantFrom(...TOPICS),
  payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  dup: fc.boolean(),
  retain: fc.boolean(),
  properties: fc.option(fc.record({ contentType: fc.constant('a') }), { nil: undefined }),
});
const change = fc.record({ at: fc.nat(80), to: fc.integer({ min: 0, max: 255 }) });

/** What comes out without knowing any topic; null for what is refused or left to the codec. */
function readFully(frame: Buffer, bodyOffset: number, spoken: ProtocolVersion): IPublishPacket | null {
  if (new PacketLayout().check(frame, bodyOffset, spoken) !== null) return null;
  const packet = readPlainPublish(frame, bodyOffset, spoken);
  return packet === null || validatePacket(packet, spoken) !== null ? null : packet;
}

describe('a PUBLISH to a topic that is known', () => {
  it('is what comes out of its bytes when nothing is known, and nothing else is taken', () => {
    fc.assert(
      fc.property(
        version,
        publish,
        fc.constantFrom(...TOPICS),
        fc.array(change, { maxLength: 2 }),
        fc.boolean(),
        (spoken, { properties, ...packet }, knownTopic, changes, hasNoId) => {
          const plain = { cmd: 'publish', ...packet, ...(properties && { properties }) } as const;
          const bytes = Buffer.from(generate(plain, { protocolVersion: spoken }));
          // What no client library writes: packet id 0. The fixed header has two bytes here.
          if (hasNoId && packet.qos > 0) bytes.writeUInt16BE(0, 4 + Buffer.byteLength(packet.topic));
          for (const { at, to } of changes) bytes[at % bytes.length] = to;
          const framer = new PacketFramer(65_536);
          framer.push(bytes);
          const frame = framer.next();
          if (!(frame instanceof Uint8Array)) return;
          const { bodyOffset } = framer;
          const again = readPublishAgain(frame, {
            bodyOffset,
            version: spoken,
            topic: new KnownTopics().of(knownTopic),
          });
          const full = readFully(frame, bodyOffset, spoken);
          if (again !== null) expect(again).toEqual(full);
          // It is no use if it does not take what most devices send.
          else expect(full?.topic === knownTopic && full.qos > 0).toBe(false);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('is not known without a topic', () => {
    const frame = Buffer.from(
      generate({ cmd: 'publish', topic: 't', payload: '', qos: 1, messageId: 1, dup: false, retain: false }),
    );
    expect(readPublishAgain(frame, { bodyOffset: 2, version: 4, topic: null })).toBeNull();
  });

  it('keeps a topic once for all, a few of them, and no long one', () => {
    const topics = new KnownTopics();
    expect(topics.of('a')).toBe(topics.of('a'));
    expect(topics.of('x'.repeat(129))).toBeNull();
    for (let index = 0; index < 300; index++) topics.of(`t/${index}`);
    expect(topics.of('t/299')).not.toBe(topics.of('t/299'));
    expect(topics.of('t/1')).toBe(topics.of('t/1'));
  });
});
