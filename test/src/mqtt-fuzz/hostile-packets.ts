import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import {
  acknowledgement,
  connect,
  field,
  lengthBytes,
  packet,
  PacketType,
  properties,
  property,
  PropertyId,
  publish,
  subscribe,
  uint16,
  uint32,
  userProperty,
} from './packet-builder.ts';
import type { Version } from './recordings.ts';

const LONGEST_TEXT = 65_535;
/** Most of a run is small packets: they are quick, and a large one is no more hostile for being frequent. */
const LARGE_CHANCE = 0.02;
const OWN_TOPICS = [
  'telemetry',
  'attributes',
  'twin/reported',
  'twin/get',
  'events/e',
  'status',
  'commands/c/response',
];
/** Names that are more than names where objects are used as maps, and texts that are not what they seem. */
const EVIL_NAMES: readonly (string | Uint8Array)[] = [
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'prototype',
    '',
    '/',
    '//',
    '$SYS/x',
    '$share/g/t',
    '#',
  ],
  ...['+', '#/#', 'a/+b', 'a#', '\0', 'a\0b', '\ufffd', '\ufeff', '\u{1f600}', '../../etc', '*', '[', '{}', ' '],
  ...[[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0xe2, 0x82]].map((bytes) =>
    Buffer.from(bytes),
  ),
];

type Generator = (random: SeededRandom, version: Version) => Buffer;

/** One packet that is well framed or nearly so, and means harm. */
export function hostilePacket(random: SeededRandom, version: Version): Buffer {
  return pick(random, GENERATORS)(random, version);
}

/** A plausible packet of a type, for sending it in states in which it may not come. */
export function plainPacket(type: number, version: Version, packetId: number): Buffer {
  switch (type) {
    case PacketType.connect:
      return connect(version, { clientId: 'again', username: 'again' });
    case PacketType.publish:
      return publish(version, { topic: 'v1/devices/me/telemetry', qos: 1, packetId, payload: Buffer.from('{"a":1}') });
    case PacketType.puback:
    case PacketType.pubrec:
    case PacketType.pubrel:
    case PacketType.pubcomp:
      return acknowledgement(type, packetId);
    case PacketType.subscribe:
      return subscribe(version, packetId, ['v1/devices/me/twin/#']);
    case PacketType.unsubscribe:
      return packet(0xa2, uint16(packetId), properties(version), field('v1/devices/me/twin/#'));
    case PacketType.suback:
    case PacketType.unsuback:
      return packet(type << 4, uint16(packetId), properties(version), Buffer.from([0]));
    case PacketType.connack:
      return packet(0x20, Buffer.from([0, 0]), properties(version));
    default:
      return packet(type << 4);
  }
}

export function pick<T>(random: SeededRandom, values: readonly T[]): T {
  return values[random.below(values.length)] as T;
}

function evilText(random: SeededRandom): string | Uint8Array {
  if (random.chance(LARGE_CHANCE)) return pick(random, ['a', '/', 'a/', '\u20ac', '+/']).repeat(LONGEST_TEXT);
  return pick(random, EVIL_NAMES);
}

function topicOf(random: SeededRandom): string | Uint8Array {
  if (random.chance(0.4)) return evilText(random);
  const owner = pick(random, ['me', 'me', 'me', 'other', '__proto__', '']);
  return `v1/devices/${owner}/${pick(random, OWN_TOPICS)}`;
}

/** Payloads that are small on the wire and large or deep in memory, or that no parser likes. */
function evilPayload(random: SeededRandom): Buffer {
  const depth = random.chance(LARGE_CHANCE) ? 60_000 : 1 + random.below(300);
  const numbers = ['1e999', '-0', '1e-400', '123456789012345678901234567890', '01', 'NaN'];
  const bombs: readonly (() => string | number[])[] = [
    () => '['.repeat(depth),
    () => '['.repeat(depth) + ']'.repeat(depth),
    () => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth),
    () => `{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}`,
    () => `{"a":${pick(random, numbers)}}`,
    () => `{${Array.from({ length: depth }, (_, at) => `"k${at}":${at}`).join(',')}}`,
    () => `{"a":1,"a":2,"ts":${pick(random, numbers)},"values":{"":null}}`,
    () => `"\\ud800${'\\u0000'.repeat(depth % 50)}"`,
    () => Array.from({ length: depth }, () => 0x81),
    () => [...Array.from({ length: depth }, () => 0x9f), 0xff],
    () => [...Array.from({ length: depth }, () => 0xbf), 0xff],
    () => [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    () => [0xbb, 0x00, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x61, 0x61],
    () => [0xa1, 0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    () => [0xa1, 0x69, ...Buffer.from('__proto__'), 0xa1, 0x61, 0x61, 0xf9, 0x7e, 0x00],
    () => [...Array.from({ length: depth }, () => 0xd9), 0xd9, 0xf7],
    () => Array.from({ length: depth }, () => random.below(256)),
  ];
  const bomb = pick(random, bombs)();
  return Buffer.from(bomb as string);
}

/** MQTT 5 properties of any packet, right and wrong, some of them more than once. */
function evilProperties(random: SeededRandom): Buffer[] {
  const one = (): Buffer => {
    const text = evilText(random);
    const small = Buffer.from([random.below(256)]);
    const makers: readonly (() => Buffer)[] = [
      () => property(PropertyId.sessionExpiry, uint32(pick(random, [0, 1, 0xffffffff]))),
      () => property(PropertyId.receiveMaximum, uint16(pick(random, [0, 1, 65_535]))),
      () => property(PropertyId.maximumPacketSize, uint32(pick(random, [0, 1, 20, 0xffffffff]))),
      () => property(PropertyId.topicAlias, uint16(pick(random, [0, 1, 10, 11, 65_535]))),
      () => property(PropertyId.messageExpiry, uint32(pick(random, [0, 1, 0xffffffff]))),
      () => property(PropertyId.contentType, field(pick(random, ['application/cbor', 'text', text]))),
      () => property(PropertyId.responseTopic, field(text)),
      () => property(PropertyId.reasonString, field(text)),
      () => property(PropertyId.authenticationMethod, field(text)),
      () => property(PropertyId.willDelay, uint32(0xffffffff)),
      () => property(PropertyId.subscriptionIdentifier, lengthBytes(random.below(300_000_000))),
      () => userProperty(typeof text === 'string' ? text : 'name', 'value'),
      () => userProperty('__proto__', '__proto__'),
      () => property(random.below(256), small),
    ];
    return pick(random, makers)();
  };
  const count = random.chance(LARGE_CHANCE) ? 500 : random.below(4);
  const parts = Array.from({ length: count }, one);
  const [first] = parts;
  return first !== undefined && random.chance(0.3) ? [...parts, first] : parts;
}

const GENERATORS: readonly Generator[] = [
  (random, version) =>
    connect(version, {
      clientId: evilText(random),
      username: evilText(random),
      ...(random.chance(0.5) && { password: evilText(random) }),
      isClean: random.chance(0.5),
      properties: evilProperties(random),
      ...(random.chance(0.3) && {
        will: {
          topic: String(topicOf(random)),
          payload: evilPayload(random).subarray(0, LONGEST_TEXT),
          properties: evilProperties(random),
        },
      }),
    }),
  (random, version) =>
    publish(version, {
      topic: topicOf(random),
      payload: evilPayload(random),
      qos: pick(random, [0, 1, 1, 2, 2, 3]),
      flags: pick(random, [0, 0, 0, 1, 8, 9]),
      packetId: pick(random, [0, 1, 2, 65_535, random.below(65_536)]),
      ...(random.chance(0.5) && { properties: evilProperties(random) }),
    }),
  (random, version) =>
    publish(version, {
      topic: `v1/devices/me/${pick(random, OWN_TOPICS)}`,
      payload: evilPayload(random),
      qos: random.below(3),
      packetId: 1 + random.below(100),
    }),
  (random, version) => {
    const count = random.chance(LARGE_CHANCE) ? 2_000 : random.below(6);
    return subscribe(
      version,
      random.below(65_536),
      Array.from({ length: count }, () => topicOf(random)),
    );
  },
  (random, version) =>
    packet(
      0x82,
      uint16(1 + random.below(10)),
      properties(version, ...evilProperties(random)),
      field(topicOf(random)),
      Buffer.from([random.below(256)]),
    ),
  (random, version) =>
    packet(
      0xa2,
      uint16(random.below(10)),
      properties(version, ...evilProperties(random)),
      ...Array.from({ length: random.below(5) }, () => field(evilText(random))),
    ),
  (random, version) => {
    const tail =
      version === 5 && random.chance(0.5) ? [random.below(256), ...properties(5, ...evilProperties(random))] : [];
    return acknowledgement(4 + random.below(4), pick(random, [0, 1, 2, 3, random.below(65_536)]), tail);
  },
  (random, version) => packet(0xe0, Buffer.from([random.below(256)]), properties(version, ...evilProperties(random))),
  (random, version) =>
    packet(0xf0, Buffer.from([pick(random, [0, 0x18, 0x19])]), properties(version, ...evilProperties(random))),
  (random, version) => plainPacket(random.below(16), version, random.below(10)),
  // A length that is never redeemed, one that is too long for a length, and a crowd in one chunk.
  (random) => Buffer.from([random.below(256), 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]),
  (random) => Buffer.from([random.below(256), 0xff, 0xff, 0xff, 0xff, 0x01]),
  (random) => Buffer.concat(Array.from({ length: 1 + random.below(300) }, () => packet(0xc0))),
  (random) => Buffer.from(Array.from({ length: random.below(100) }, () => random.below(256))),
];
