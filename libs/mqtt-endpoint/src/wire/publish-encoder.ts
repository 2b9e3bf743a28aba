import type { MessageProperties, ProtocolVersion } from '../endpoint-host.ts';
import { encodeVariable, variableBytes } from './packet-encoder.ts';

const PropertyId = {
  payloadFormatIndicator: 0x01,
  messageExpiryInterval: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  topicAlias: 0x23,
  userProperty: 0x26,
} as const;

const NO_PROPERTIES = Buffer.from([0]);
const EXPIRY_BYTES = 5;
/** What a topic alias adds to the properties. */
export const TOPIC_ALIAS_BYTES = 3;

export interface PublishHeader {
  readonly version: ProtocolVersion;
  readonly qos: 0 | 1 | 2;
  readonly dup: boolean;
  /** 0 for QoS 0. */
  readonly packetId: number;
  /** What is left of the message's life; null says nothing about it. */
  readonly expirySeconds: number | null;
  /** `isKnown`: the client has the topic behind it already, so the packet goes without. */
  readonly alias: { readonly number: number; readonly isKnown: boolean } | null;
}

export interface PublishBody extends MessageProperties {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain?: boolean;
}

/**
 * One PUBLISH packet. The codec's writer takes user properties as an object, which loses their order and every name
 * that objects have by birth; here they are the list that they are on the wire.
 */
export function encodePublish(body: PublishBody, header: PublishHeader): Buffer {
  const { version, qos, packetId, alias } = header;
  const topic = Buffer.from(alias?.isKnown === true ? '' : body.topic);
  const properties = version === 5 ? encodeProperties(body, header) : null;
  const propertyBytes = properties?.length ?? 0;
  const length = 2 + topic.length + (qos === 0 ? 0 : 2) + propertyBytes + body.payload.length;
  const packet = Buffer.allocUnsafe(1 + variableBytes(length) + length);
  let position = packet.writeUInt8(0x30 | (header.dup ? 8 : 0) | (qos << 1) | (body.retain === true ? 1 : 0), 0);
  position += encodeVariable(length).copy(packet, position);
  position = packet.writeUInt16BE(topic.length, position);
  position += topic.copy(packet, position);
  if (qos !== 0) position = packet.writeUInt16BE(packetId, position);
  if (properties !== null) position += properties.copy(packet, position);
  packet.set(body.payload, position);
  return packet;
}

/** Size on the wire, without an alias; as it is with an expiry when the message has one. */
export function publishBytes(
  body: PublishBody,
  header: Pick<PublishHeader, 'version' | 'qos'>,
  expires: boolean,
): number {
  let rest = 2 + Buffer.byteLength(body.topic) + (header.qos === 0 ? 0 : 2) + body.payload.length;
  if (header.version === 5) {
    const properties = ownPropertyBytes(body) + (expires ? EXPIRY_BYTES : 0);
    rest += variableBytes(properties) + properties;
  }
  return 1 + variableBytes(rest) + rest;
}

function ownPropertyBytes(body: MessageProperties): number {
  let bytes = body.payloadFormatIndicator === undefined ? 0 : 2;
  if (typeof body.contentType === 'string') bytes += 3 + Buffer.byteLength(body.contentType);
  if (typeof body.responseTopic === 'string') bytes += 3 + Buffer.byteLength(body.responseTopic);
  if (body.correlationData) bytes += 3 + body.correlationData.length;
  for (const [name, value] of body.userProperties ?? [])
    bytes += 5 + Buffer.byteLength(name) + Buffer.byteLength(value);
  return bytes;
}

function encodeProperties(body: MessageProperties, { expirySeconds, alias }: PublishHeader): Buffer {
  const parts: Buffer[] = [];
  if (body.payloadFormatIndicator !== undefined) {
    parts.push(Buffer.from([PropertyId.payloadFormatIndicator, body.payloadFormatIndicator ? 1 : 0]));
  }
  if (expirySeconds !== null) {
    const expiry = Buffer.alloc(EXPIRY_BYTES, PropertyId.messageExpiryInterval);
    expiry.writeUInt32BE(expirySeconds, 1);
    parts.push(expiry);
  }
  if (typeof body.contentType === 'string') parts.push(encodeSized(PropertyId.contentType, body.contentType));
  if (typeof body.responseTopic === 'string') parts.push(encodeSized(PropertyId.responseTopic, body.responseTopic));
  if (body.correlationData) parts.push(encodeSized(PropertyId.correlationData, body.correlationData));
  if (alias !== null) parts.push(Buffer.from([PropertyId.topicAlias, alias.number >> 8, alias.number & 0xff]));
  for (const [name, value] of body.userProperties ?? []) {
    parts.push(encodeSized(PropertyId.userProperty, name), sized(value));
  }
  if (parts.length === 0) return NO_PROPERTIES;
  const properties = Buffer.concat(parts);
  return Buffer.concat([encodeVariable(properties.length), properties]);
}

function encodeSized(id: number, value: string | Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([id]), sized(value)]);
}

function sized(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length, 0);
  return Buffer.concat([length, bytes]);
}
