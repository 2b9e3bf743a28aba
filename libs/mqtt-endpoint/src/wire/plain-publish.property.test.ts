import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generate, type IPublishPacket, type Packet } from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';
import { PacketCodec } from './packet-codec.ts';
import { PacketFramer } from './packet-framer.ts';
import { PacketLayout } from './packet-layout.ts';
import { readPlainPublish } from './plain-publish.ts';
import { ProtocolFault } from './protocol-fault.ts';

const version = fc.constantFrom<ProtocolVersion>(3, 4, 5);
const publish = fc.record({
  topic: fc.string({ minLength: 1, unit: 'grapheme', maxLength: 200 }),
  payload: fc.uint8Array({ maxLength: 300 }),
  qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  dup: fc.boolean(),
  retain: fc.boolean(),
});

function framed(bytes: Uint8Array): { frame: Buffer; bodyOffset: number } | null {
  const framer = new PacketFramer(65_536);
  framer.push(bytes);
  const frame = framer.next();
  return frame instanceof Uint8Array ? { frame, bodyOffset: framer.bodyOffset } : null;
}

/** What both must say of a packet. The codec gives no id to QoS 0. */
function essence(packet: Packet): unknown {
  const { cmd, topic, payload, qos, dup, retain, messageId = 0 } = packet as IPublishPacket;
  return { cmd, topic, payload: Buffer.from(payload as Uint8Array).toString('hex'), qos, dup, retain, messageId };
}

describe('a PUBLISH read from its bytes', () => {
  it('is what the codec reads', () => {
    fc.assert(
      fc.property(version, publish, (protocolVersion, { payload, ...rest }) => {
        const packet = { cmd: 'publish', ...rest, payload: Buffer.from(payload) } as const;
        const { frame, bodyOffset } = framed(generate(packet, { protocolVersion }))!;
        const plain = readPlainPublish(frame, bodyOffset, protocolVersion);
        const decoded = new PacketCodec().decode(frame, protocolVersion);
        expect(decoded).not.toBeInstanceOf(ProtocolFault);
        expect(plain).not.toBeNull();
        expect(essence(plain as Packet)).toEqual(essence(decoded as Packet));
      }),
    );
  });

  it('is what the codec reads in any bytes whose layout is right, or is left to the codec', () => {
    fc.assert(
      fc.property(
        version,
        fc.integer({ min: 0x30, max: 0x3f }),
        fc.uint8Array({ maxLength: 24 }),
        (spoken, first, body) => {
          const found = framed(Buffer.from([first, body.length, ...body]));
          if (found === null || new PacketLayout().check(found.frame, found.bodyOffset, spoken) !== null) return;
          const plain = readPlainPublish(found.frame, found.bodyOffset, spoken);
          const decoded = new PacketCodec().decode(found.frame, spoken);
          if (plain === null) return;
          expect(essence(plain)).toEqual(essence(decoded as Packet));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['properties', { cmd: 'publish', topic: 't', payload: '', properties: { topicAlias: 1 } }, 5],
    ['another type', { cmd: 'pingreq' }, 4],
  ] as const)('is left to the codec: %s', (_what, packet, protocolVersion) => {
    const bytes = generate({ qos: 0, dup: false, retain: false, ...packet } as Packet, { protocolVersion });
    const { frame, bodyOffset } = framed(bytes)!;
    expect(readPlainPublish(frame, bodyOffset, protocolVersion)).toBeNull();
  });
});
