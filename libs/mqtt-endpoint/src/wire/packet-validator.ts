import type {
  IConnectPacket,
  IDisconnectPacket,
  IPublishPacket,
  ISubscribePacket,
  IUnsubscribePacket,
  Packet,
} from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';
import { isCleanText } from './packet-layout.ts';
import { ProtocolFault } from './protocol-fault.ts';
import { ReasonCode } from './reason-codes.ts';
import { isSharedFilter, isTopicFilter, isTopicName } from './topic-syntax.ts';

/**
 * What the standard demands of the values in a packet whose layout is right (see `PacketLayout`). What depends on the
 * connection, such as aliases and packet ids in flight, is checked where that state lives.
 */
export function validatePacket(packet: Packet, version: ProtocolVersion): ProtocolFault | null {
  switch (packet.cmd) {
    case 'connect':
      return validateConnect(packet);
    case 'publish':
      return validatePublish(packet);
    case 'subscribe':
      return validateSubscribe(packet, version);
    case 'unsubscribe':
      return validateUnsubscribe(packet);
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return packet.messageId === 0 ? PACKET_ID_ZERO : null;
    case 'disconnect':
      return validateDisconnect(packet, version);
    default:
      return null;
  }
}

const PACKET_ID_ZERO = new ProtocolFault(ReasonCode.protocolError, 'packet id 0');
const BAD_TEXT = new ProtocolFault(ReasonCode.malformedPacket, 'text is not UTF-8 or has a forbidden character');
const BAD_TOPIC = new ProtocolFault(ReasonCode.topicNameInvalid, 'a topic name is not empty and has no wildcards');
const BAD_FILTER = new ProtocolFault(ReasonCode.malformedPacket, 'not a topic filter');
const DUP_WITH_QOS_0 = new ProtocolFault(ReasonCode.malformedPacket, 'DUP with QoS 0');
const BAD_RESPONSE_TOPIC = new ProtocolFault(ReasonCode.protocolError, 'a response topic has no wildcards');
const EMPTY_TOPIC = new ProtocolFault(ReasonCode.protocolError, 'neither a topic nor a topic alias');

function validateConnect(packet: IConnectPacket): ProtocolFault | null {
  if (!isCleanText(packet.clientId)) return BAD_TEXT;
  if (packet.username !== undefined && !isCleanText(packet.username)) return BAD_TEXT;
  const properties = packet.properties;
  if (properties?.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    return new ProtocolFault(ReasonCode.protocolError, 'authentication data without a method');
  }
  if (packet.will === undefined) return null;
  if (!isCleanText(packet.will.topic)) return BAD_TEXT;
  if (!isTopicName(packet.will.topic)) return BAD_TOPIC;
  const responseTopic = packet.will.properties?.responseTopic;
  return responseTopic !== undefined && !isTopicName(responseTopic) ? BAD_RESPONSE_TOPIC : null;
}

function validatePublish(packet: IPublishPacket): ProtocolFault | null {
  if (packet.qos === 0) {
    if (packet.dup) return DUP_WITH_QOS_0;
  } else if (packet.messageId === 0) return PACKET_ID_ZERO;
  const properties = packet.properties;
  if (packet.topic === '') return properties?.topicAlias === undefined ? EMPTY_TOPIC : null;
  if (!isCleanText(packet.topic)) return BAD_TEXT;
  if (!isTopicName(packet.topic)) return BAD_TOPIC;
  const responseTopic = properties?.responseTopic;
  return responseTopic !== undefined && !isTopicName(responseTopic) ? BAD_RESPONSE_TOPIC : null;
}

function validateSubscribe(packet: ISubscribePacket, version: ProtocolVersion): ProtocolFault | null {
  if (packet.messageId === 0) return PACKET_ID_ZERO;
  if (packet.properties?.subscriptionIdentifier !== undefined) {
    return new ProtocolFault(ReasonCode.subscriptionIdentifiersNotSupported, 'no subscription identifiers here');
  }
  for (const subscription of packet.subscriptions) {
    if (!isCleanText(subscription.topic)) return BAD_TEXT;
    if (!isTopicFilter(subscription.topic)) return BAD_FILTER;
    if (version === 5 && subscription.nl === true && isSharedFilter(subscription.topic)) {
      return new ProtocolFault(ReasonCode.protocolError, 'No Local on a shared subscription');
    }
  }
  return null;
}

function validateUnsubscribe(packet: IUnsubscribePacket): ProtocolFault | null {
  if (packet.messageId === 0) return PACKET_ID_ZERO;
  for (const filter of packet.unsubscriptions) {
    if (!isCleanText(filter)) return BAD_TEXT;
    if (!isTopicFilter(filter)) return BAD_FILTER;
  }
  return null;
}

/** Reason codes a client may give; the others in the table of DISCONNECT belong to servers. */
const CLIENT_DISCONNECT_CODES: ReadonlySet<number> = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]);

function validateDisconnect(packet: IDisconnectPacket, version: ProtocolVersion): ProtocolFault | null {
  if (version !== 5 || CLIENT_DISCONNECT_CODES.has(packet.reasonCode ?? 0)) return null;
  return new ProtocolFault(ReasonCode.protocolError, 'this DISCONNECT reason belongs to servers');
}
