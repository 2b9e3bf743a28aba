import type { IConnackPacket } from 'mqtt-packet';
import type { ConnectRefusal, ConnectRequest } from './connect-request.ts';
import type { EndpointLimits } from './endpoint-host.ts';
import { PACKET_ID_MAX } from './engine-limits.ts';
import { encodePacket, toReasonString } from './packet-encoder.ts';
import { ReasonCode, ReturnCode } from './reason-codes.ts';

/** Keepalive in force, and whether the client must be told because it asked for something else. */
export interface Keepalive {
  readonly seconds: number;
  readonly isOurs: boolean;
}

/** MQTT 5 lets the server set the keepalive; older clients keep what they asked for, 0 meaning none. */
export function agreeKeepalive(request: ConnectRequest, limits: EndpointLimits): Keepalive {
  const asked = request.keepaliveSeconds;
  if (request.version !== 5) return { seconds: asked, isOurs: false };
  const isOurs = asked === 0 || asked > limits.keepaliveSecondsMax;
  return { seconds: isOurs ? limits.keepaliveSecondsMax : asked, isOurs };
}

export function encodeAccepted(request: ConnectRequest, keepalive: Keepalive, limits: EndpointLimits): Buffer {
  if (request.version !== 5) {
    const { accepted: returnCode } = ReturnCode;
    return encodePacket({ cmd: 'connack', sessionPresent: false, returnCode }, request.version);
  }
  const properties: NonNullable<IConnackPacket['properties']> = {
    topicAliasMaximum: limits.topicAliasMax,
    receiveMaximum: Math.min(limits.receiveMax, PACKET_ID_MAX),
    maximumPacketSize: limits.packetBytesMax,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    ...(request.clientIdAssigned && { assignedClientIdentifier: request.credentials.clientId }),
    ...(keepalive.isOurs && { serverKeepAlive: keepalive.seconds }),
    // Sessions end with their connection; a client that hoped for more is told.
    ...(request.sessionExpirySeconds > 0 && { sessionExpiryInterval: 0 }),
  };
  return encodePacket({ cmd: 'connack', sessionPresent: false, reasonCode: ReasonCode.success, properties }, 5);
}

/** Null when the protocol version has no answer for this refusal: the connection is closed without one. */
export function encodeRefused(refusal: ConnectRefusal): Buffer | null {
  if (refusal.version === null) return null;
  if (refusal.version === 5) {
    const properties = { reasonString: toReasonString(refusal.detail) };
    return encodePacket(
      { cmd: 'connack', sessionPresent: false, reasonCode: refusal.reasonCode, properties },
      refusal.version,
    );
  }
  if (refusal.returnCode === null) return null;
  return encodePacket({ cmd: 'connack', sessionPresent: false, returnCode: refusal.returnCode }, refusal.version);
}
