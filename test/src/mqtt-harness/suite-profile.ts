/**
 * The byte-exact suites expect the answers of one particular broker. Where the standard leaves a choice, this profile
 * makes the broker's: of CONNACK's properties only those that the suites know, Topic Alias Maximum first and Receive
 * Maximum last, no reason strings, the broker's code for a faulty packet, and its silence after some of them. It works
 * on what the engine has written, so the engine is not bent for a suite.
 */

const CONNACK = 0x20;
const DISCONNECT = 0xe0;
const MALFORMED_PACKET = 0x81;
const PROTOCOL_ERROR = 0x82;
const TOPIC_NAME_INVALID = 0x90;
/** How a CONNECT is refused that is no valid packet. */
const INVALID_CONNECT: ReadonlySet<number> = new Set([MALFORMED_PACKET, PROTOCOL_ERROR, TOPIC_NAME_INVALID]);
const NOTHING = Buffer.alloc(0);
/** Properties whose presence in CONNACK the suites check, with the size of their value; null is text. */
const KEPT_PROPERTIES: ReadonlyMap<number, number | null> = new Map([
  [0x11, 4],
  [0x12, null],
  [0x13, 2],
]);
const TOPIC_ALIAS_MAXIMUM = Buffer.from([0x22, 0, 10]);
const RECEIVE_MAXIMUM = Buffer.from([0x21, 0, 20]);
/** Sizes of the properties that are left out. */
const LEFT_OUT: ReadonlyMap<number, number | null> = new Map([
  [0x1f, null],
  [0x21, 2],
  [0x22, 2],
  [0x24, 1],
  [0x25, 1],
  [0x27, 4],
  [0x28, 1],
  [0x29, 1],
  [0x2a, 1],
]);
/** Reasons that the engine gives before it closes, where the broker closes without a word. */
const UNSAID: ReadonlySet<string> = new Set([
  'not the answer to this message',
  'PUBCOMP before PUBREC',
  'a client may not send connect here',
  'a client may not send packets of type 2',
]);
/** Reasons for which the standard leaves a choice of codes, with the broker's. */
const OTHER_CODES: ReadonlyMap<string, number> = new Map([
  ['packet id 0', MALFORMED_PACKET],
  ['a property may not be 0', MALFORMED_PACKET],
  ['a list of filters has at least one entry', MALFORMED_PACKET],
  ['a topic name is not empty and has no wildcards', PROTOCOL_ERROR],
]);
const REASON_STRING = 0x1f;
const PACKET_IDENTIFIER_NOT_FOUND = 0x92;
const PUBCOMP = 0x70;
const ACK_TYPES: ReadonlySet<number> = new Set([0x40, 0x50, 0x62, 0x70]);

/** Rewrites the whole packets in `bytes`, which is what one connection of MQTT 5 writes at once. */
export function toSuiteProfile(bytes: Uint8Array): Buffer {
  return Buffer.concat(packetsIn(bytes).map((packet) => rewrite(packet, frameAt(packet, 0).bodyAt)));
}

/** The engine writes whole packets only. */
export function packetsIn(bytes: Uint8Array): Buffer[] {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packets: Buffer[] = [];
  for (let at = 0; at < input.length;) {
    const { end } = frameAt(input, at);
    packets.push(input.subarray(at, end));
    at = end;
  }
  return packets;
}

function rewrite(packet: Buffer, bodyAt: number): Buffer {
  const type = packet[0] as number;
  if (type === CONNACK) return rewriteConnack(packet, bodyAt);
  if (type === DISCONNECT && packet.length > bodyAt + 1) return rewriteDisconnect(packet, bodyAt);
  // It is told that its PUBREL was one too many, of which the broker makes nothing.
  if (type === PUBCOMP && packet[bodyAt + 2] === PACKET_IDENTIFIER_NOT_FOUND) {
    return Buffer.from([PUBCOMP, 2, ...packet.subarray(bodyAt, bodyAt + 2)]);
  }
  if (ACK_TYPES.has(type) && packet.length > bodyAt + 3) {
    return Buffer.from([type, 3, ...packet.subarray(bodyAt, bodyAt + 3)]);
  }
  return packet;
}

function rewriteDisconnect(packet: Buffer, bodyAt: number): Buffer {
  const reasonCode = packet[bodyAt] as number;
  // The engine writes one property here at most, with a length of one byte or two before it.
  const at = packet.indexOf(REASON_STRING, bodyAt + 2);
  const reason = at === -1 ? '' : packet.toString('utf8', at + 3);
  if (UNSAID.has(reason)) return NOTHING;
  return Buffer.from([DISCONNECT, 1, OTHER_CODES.get(reason) ?? reasonCode]);
}

function rewriteConnack(packet: Buffer, bodyAt: number): Buffer {
  const [flags, reasonCode] = [packet[bodyAt] as number, packet[bodyAt + 1] as number];
  // The answer to what is no valid CONNECT is optional (§4.13.1), and the suites want none.
  if (INVALID_CONNECT.has(reasonCode)) return NOTHING;
  if (reasonCode !== 0) return Buffer.from([CONNACK, 3, flags, reasonCode, 0]);
  const kept: Buffer[] = [TOPIC_ALIAS_MAXIMUM];
  for (let at = bodyAt + 3; at < packet.length;) {
    const property = packet[at] as number;
    const size = KEPT_PROPERTIES.get(property) ?? LEFT_OUT.get(property);
    const isKept = KEPT_PROPERTIES.has(property);
    if (!isKept && size === undefined) throw new Error(`CONNACK with the property ${property}`);
    const end = at + 1 + (typeof size === 'number' ? size : 2 + packet.readUInt16BE(at + 1));
    if (isKept) kept.push(packet.subarray(at, end));
    at = end;
  }
  const properties = Buffer.concat([...kept, RECEIVE_MAXIMUM]);
  return Buffer.concat([
    Buffer.from([CONNACK, 3 + properties.length, flags, reasonCode, properties.length]),
    properties,
  ]);
}

function frameAt(input: Buffer, at: number): { bodyAt: number; end: number } {
  let length = 0;
  let bodyAt = at + 1;
  for (let shift = 0; ; shift += 7) {
    const byte = input[bodyAt++] as number;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return { bodyAt, end: bodyAt + length };
}
