import type { IConnackPacket } from 'mqtt-packet';
import type { ConnectRefusal, ConnectRequest } from './connect-request.ts';
import type { EndpointLimits } from '../endpoint-host.ts';
import { PACKET_ID_MAX } from '../engine-limits.ts';
import { encodePacket, toReasonString } from '../wire/packet-encoder.ts';
import { ReasonCode, ReturnCode } from '../wire/reason-codes.ts';

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

const { accepted: returnCode } = ReturnCode;
const NEW_BEFORE_5 = encodePacket({ cmd: 'connack', sessionPresent: false, returnCode }, 4);
const RESUMED_BEFORE_5 = encodePacket({ cmd: 'connack', sessionPresent: true, returnCode }, 4);

/** What is granted of what CONNECT asked for. */
export interface Grant {
  readonly keepalive: Keepalive;
  readonly sessionPresent: boolean;
  readonly sessionExpirySeconds: number;
}

/**
 * CONNACKs with success. Nearly all clients of one endpoint are told the same, and encoding it is a good part of what
 * a connect costs, so what says nothing of the client itself is encoded once.
 */
export class AcceptedConnacks {
  readonly #limits: EndpointLimits;
  readonly #usual = new Map<boolean, Buffer>();

  constructor(limits: EndpointLimits) {
    this.#limits = limits;
  }

  encode(request: ConnectRequest, grant: Grant): Buffer {
    const { keepalive, sessionPresent, sessionExpirySeconds } = grant;
    // MQTT 3.1 has no such flag.
    if (request.version !== 5) return sessionPresent && request.version === 4 ? RESUMED_BEFORE_5 : NEW_BEFORE_5;
    const isUsual =
      !request.clientIdAssigned && !keepalive.isOurs && request.sessionExpirySeconds <= sessionExpirySeconds;
    if (!isUsual) return encodeAccepted(request, grant, this.#limits);
    const known = this.#usual.get(sessionPresent);
    if (known !== undefined) return known;
    const encoded = encodeAccepted(request, grant, this.#limits);
    this.#usual.set(sessionPresent, encoded);
    return encoded;
  }
}

function encodeAccepted(request: ConnectRequest, grant: Grant, limits: EndpointLimits): Buffer {
  const { keepalive, sessionPresent, sessionExpirySeconds } = grant;
  const properties: NonNullable<IConnackPacket['properties']> = {
    topicAliasMaximum: limits.topicAliasMax,
    receiveMaximum: Math.min(limits.receiveMax, PACKET_ID_MAX),
    maximumPacketSize: limits.packetBytesMax,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    ...(request.clientIdAssigned && { assignedClientIdentifier: request.credentials.clientId }),
    ...(keepalive.isOurs && { serverKeepAlive: keepalive.seconds }),
    // A client that hoped for more is told.
    ...(request.sessionExpirySeconds > sessionExpirySeconds && { sessionExpiryInterval: sessionExpirySeconds }),
  };
  return encodePacket({ cmd: 'connack', sessionPresent, reasonCode: ReasonCode.success, properties }, 5);
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
