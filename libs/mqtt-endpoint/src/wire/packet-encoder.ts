import { generate, type Packet, writeToStream } from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';
import { REASON_STRING_CHARACTERS_MAX } from '../engine-limits.ts';
import type { ReasonCode } from './reason-codes.ts';

/** First bytes of the packets that only carry a packet id. PUBREL has its reserved bit set. */
export const AckType = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;
export type AckType = (typeof AckType)[keyof typeof AckType];

export const PINGRESP: Buffer = Buffer.from([0xd0, 0x00]);

const REASON_STRING_ID = 0x1f;
const SERVER_REFERENCE_ID = 0x1c;

/** An acknowledgement that is more than a packet id. Success needs none: `ConnectionOutput.ack` writes four bytes. */
export function encodeAckWithReason(options: {
  type: AckType;
  packetId: number;
  reasonCode: ReasonCode;
  reasonString: string | null;
}): Buffer {
  const { type, packetId, reasonCode, reasonString } = options;
  const head = [packetId >> 8, packetId & 0xff, reasonCode];
  if (reasonString === null) return Buffer.from([type, head.length, ...head]);
  const property = encodeText(REASON_STRING_ID, toReasonString(reasonString));
  const body = Buffer.concat([Buffer.from(head), encodeVariable(property.length), property]);
  return Buffer.concat([Buffer.from([type]), encodeVariable(body.length), body]);
}

export function encodeDisconnect(
  reasonCode: ReasonCode,
  says: { readonly reasonString: string | null; readonly serverReference: string | null },
): Buffer {
  const properties = Buffer.concat([
    ...(says.reasonString === null ? [] : [encodeText(REASON_STRING_ID, toReasonString(says.reasonString))]),
    ...(says.serverReference === null ? [] : [encodeText(SERVER_REFERENCE_ID, says.serverReference)]),
  ]);
  const length = properties.length === 0 ? Buffer.alloc(0) : encodeVariable(properties.length);
  const body = Buffer.concat([Buffer.from([reasonCode]), length, properties]);
  return Buffer.concat([Buffer.from([0xe0]), encodeVariable(body.length), body]);
}

// By default the codec makes a buffer of every number up to 65,535 in advance. Seven megabytes of small objects that
// every full collection marks are too much for the few packets that are not encoded here.
writeToStream.cacheNumbers = false;

export function encodePacket(packet: Packet, version: ProtocolVersion): Buffer {
  return generate(packet, { protocolVersion: version });
}

/** Details may quote a client, so they are cut to size and rid of what MQTT text must not contain. */
export function toReasonString(text: string): string {
  return text.slice(0, REASON_STRING_CHARACTERS_MAX).replaceAll('\u0000', '');
}

function encodeText(id: number, text: string): Buffer {
  const string = Buffer.from(text);
  const property = Buffer.alloc(3);
  property.writeUInt8(id, 0);
  property.writeUInt16BE(string.length, 1);
  return Buffer.concat([property, string]);
}

export function encodeVariable(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  do {
    const byte = left % 128;
    left = Math.floor(left / 128);
    bytes.push(left > 0 ? byte | 0x80 : byte);
  } while (left > 0);
  return Buffer.from(bytes);
}

export function variableBytes(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}
