import type { Authentication, CloseReason, PublishRefusal } from '../endpoint-host.ts';

/** MQTT 5 reason codes that this endpoint sends or reads. */
export const ReasonCode = {
  success: 0x00,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecificError: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdentifierNotValid: 0x85,
  badUserNameOrPassword: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdentifierNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  useAnotherServer: 0x9c,
  sharedSubscriptionsNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  subscriptionIdentifiersNotSupported: 0xa1,
} as const;
export type ReasonCode = (typeof ReasonCode)[keyof typeof ReasonCode];

/** CONNACK return codes of MQTT 3.1 and 3.1.1. */
export const ReturnCode = {
  accepted: 0,
  unacceptableProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;
export type ReturnCode = (typeof ReturnCode)[keyof typeof ReturnCode];

type AuthenticationRefusal = Extract<Authentication<unknown>, { kind: 'refused' }>['reason'];

export const refusalCodes: Readonly<Record<AuthenticationRefusal, { reasonCode: ReasonCode; returnCode: ReturnCode }>> =
  {
    badCredentials: {
      reasonCode: ReasonCode.badUserNameOrPassword,
      returnCode: ReturnCode.badUserNameOrPassword,
    },
    notAuthorized: { reasonCode: ReasonCode.notAuthorized, returnCode: ReturnCode.notAuthorized },
    banned: { reasonCode: ReasonCode.banned, returnCode: ReturnCode.notAuthorized },
    serverBusy: { reasonCode: ReasonCode.serverBusy, returnCode: ReturnCode.serverUnavailable },
    serverUnavailable: { reasonCode: ReasonCode.serverUnavailable, returnCode: ReturnCode.serverUnavailable },
    connectRateExceeded: {
      reasonCode: ReasonCode.connectionRateExceeded,
      returnCode: ReturnCode.serverUnavailable,
    },
    clientIdInvalid: { reasonCode: ReasonCode.clientIdentifierNotValid, returnCode: ReturnCode.identifierRejected },
  };

/**
 * What CONNACK says to whom the host turns away while it lets him in: a DISCONNECT must not come before a CONNACK. A
 * device that has connected anew meanwhile gets nothing by its older connection.
 */
export const unopenedRefusals: Readonly<Partial<Record<CloseReason, AuthenticationRefusal>>> = {
  revoked: 'notAuthorized',
  credentialExpired: 'notAuthorized',
  overloaded: 'serverBusy',
  draining: 'serverUnavailable',
};

// PUBACK and PUBREC know no "packet too large" (0x95), so the refusal of a too large payload travels as a quota.
export const publishRefusalCodes: Readonly<Record<PublishRefusal, ReasonCode>> = {
  payloadFormatInvalid: ReasonCode.payloadFormatInvalid,
  topicNameInvalid: ReasonCode.topicNameInvalid,
  notAuthorized: ReasonCode.notAuthorized,
  quotaExceeded: ReasonCode.quotaExceeded,
  packetTooLarge: ReasonCode.quotaExceeded,
  implementationSpecific: ReasonCode.implementationSpecificError,
};

/** DISCONNECT does know "packet too large". */
export function violationCode(refusal: PublishRefusal): ReasonCode {
  return refusal === 'packetTooLarge' ? ReasonCode.packetTooLarge : publishRefusalCodes[refusal];
}

export const closeReasonCodes: Readonly<Record<CloseReason, ReasonCode>> = {
  clientDisconnected: ReasonCode.success,
  connectionLost: ReasonCode.unspecifiedError,
  keepaliveTimeout: ReasonCode.keepAliveTimeout,
  takenOver: ReasonCode.sessionTakenOver,
  revoked: ReasonCode.administrativeAction,
  credentialExpired: ReasonCode.notAuthorized,
  protocolError: ReasonCode.protocolError,
  connectTimeout: ReasonCode.protocolError,
  slowReader: ReasonCode.quotaExceeded,
  overRate: ReasonCode.messageRateTooHigh,
  overloaded: ReasonCode.quotaExceeded,
  draining: ReasonCode.serverShuttingDown,
};
