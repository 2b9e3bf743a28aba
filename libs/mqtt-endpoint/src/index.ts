export type {
  Authentication,
  CloseReason,
  Credentials,
  DeliveryOutcome,
  EndpointHost,
  EndpointLimits,
  InboundMessage,
  MessageProperties,
  OutboundMessage,
  ProtocolVersion,
  PublishAnswer,
  PublishOutcome,
  PublishRefusal,
  Session,
  SubscriptionGrant,
  Transport,
  WillMessage,
} from './endpoint-host.ts';
export type { EndpointObserver, SessionEnd } from './endpoint-observer.ts';
export {
  type ConnectionInput,
  createMqttEndpoint,
  type DrainOptions,
  type MqttEndpoint,
  type MqttEndpointOptions,
} from './endpoint.ts';
export type { HoldCause } from './inbound/publish-pass.ts';
export type { PublishRateLimits } from './inbound/publish-rate.ts';
export { SharedPublishRate } from './inbound/shared-publish-rate.ts';
export { ReasonCode } from './wire/reason-codes.ts';
export type { SessionOptions } from './sessions/session-keeper.ts';
export type { ClaimedSession, SessionSnapshot, SessionStore, StoredMessage } from './sessions/session-store.ts';
