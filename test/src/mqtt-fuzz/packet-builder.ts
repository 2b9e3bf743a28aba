import type { Version } from './recordings.ts';

/**
 * Packets as they are on the wire, also those that no encoder would build: nothing is checked here, and every length
 * may be a lie.
 */
export const PacketType = {
  reserved: 0,
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;

/** Of the properties that devices send. */
export const PropertyId = {
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  subscriptionIdentifier: 0x0b,
  sessionExpiry: 0x11,
  authenticationMethod: 0x15,
  willDelay: 0x18,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAlias: 0x23,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
} as const;

export function packet(first: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([first]), lengthBytes(body.length), body]);
}

/** A variable byte integer. */
export function lengthBytes(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; bytes.length === 0 || left > 0; left = Math.floor(left / 128)) {
    bytes.push(left >= 128 ? (left % 128) | 0x80 : left);
  }
  return Buffer.from(bytes);
}

export function uint16(value: number): Buffer {
  return Buffer.from([(value >> 8) & 0xff, value & 0xff]);
}

export function uint32(value: number): Buffer {
  return Buffer.concat([uint16(value >>> 16), uint16(value & 0xffff)]);
}

/** Text or bytes behind their length; what is longer than its two bytes can say is cut. */
export function field(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string).subarray(0, 0xffff);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

export function properties(version: Version, ...parts: readonly Uint8Array[]): Buffer {
  if (version !== 5) return Buffer.alloc(0);
  const bytes = Buffer.concat(parts);
  return Buffer.concat([lengthBytes(bytes.length), bytes]);
}

export function property(id: number, ...value: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([id]), ...value]);
}

export function userProperty(name: string, value: string): Buffer {
  return property(PropertyId.userProperty, field(name), field(value));
}

export interface ConnectParts {
  readonly clientId: string | Uint8Array;
  readonly username?: string | Uint8Array;
  readonly password?: string | Uint8Array;
  readonly isClean?: boolean;
  readonly properties?: readonly Uint8Array[];
  readonly will?: { readonly topic: string; readonly payload: Uint8Array; readonly properties?: readonly Uint8Array[] };
}

export function connect(version: Version, parts: ConnectParts): Buffer {
  const { clientId, username, password, isClean = true, will } = parts;
  const flags =
    (isClean ? 0x02 : 0) |
    (will === undefined ? 0 : 0x0c) |
    (username === undefined ? 0 : 0x80) |
    (password === undefined ? 0 : 0x40);
  return packet(
    0x10,
    field(version === 3 ? 'MQIsdp' : 'MQTT'),
    Buffer.from([version, flags, 0, 60]),
    properties(version, ...(parts.properties ?? [])),
    field(clientId),
    ...(will === undefined
      ? []
      : [properties(version, ...(will.properties ?? [])), field(will.topic), field(will.payload)]),
    ...(username === undefined ? [] : [field(username)]),
    ...(password === undefined ? [] : [field(password)]),
  );
}

export interface PublishParts {
  readonly topic: string | Uint8Array;
  readonly payload?: Uint8Array;
  readonly qos?: number;
  readonly flags?: number;
  readonly packetId?: number;
  readonly properties?: readonly Uint8Array[];
}

export function publish(version: Version, parts: PublishParts): Buffer {
  const qos = parts.qos ?? 0;
  return packet(
    0x30 | (qos << 1) | (parts.flags ?? 0),
    field(parts.topic),
    ...(qos === 0 ? [] : [uint16(parts.packetId ?? 1)]),
    properties(version, ...(parts.properties ?? [])),
    parts.payload ?? Buffer.alloc(0),
  );
}

export function subscribe(version: Version, packetId: number, filters: readonly (string | Uint8Array)[]): Buffer {
  const entries = filters.flatMap((filter, at) => [field(filter), Buffer.from([at % 3])]);
  return packet(0x82, uint16(packetId), properties(version), ...entries);
}

export function acknowledgement(type: number, packetId: number, tail: readonly number[] = []): Buffer {
  return packet((type << 4) | (type === PacketType.pubrel ? 2 : 0), uint16(packetId), Buffer.from(tail));
}
