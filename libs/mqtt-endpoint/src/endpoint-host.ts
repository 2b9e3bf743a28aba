/**
 * What the engine asks of whoever runs it. The engine knows MQTT; the host knows devices, the log and the limits of
 * the product. The core is transport-free: bytes in, bytes out (see `Transport`).
 */

import type { SharedPublishRate } from './inbound/shared-publish-rate.ts';

/** A byte stream to one client. TCP and WebSocket each have an adapter in the gateway. */
export interface Transport {
  /** Queues bytes; answers false when the peer reads too slowly and `bytesQueued` grows. */
  write(bytes: Uint8Array): boolean;
  /** Bytes handed to `write` that the peer has not taken yet. */
  bytesQueued(): number;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes; forced after a grace of 200 ms. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  readonly remoteAddress: string;
  /** What the client showed in a TLS handshake, as DER, its own certificate first. Unchecked. */
  readonly certificateChain?: readonly Uint8Array[];
}

export type ProtocolVersion = 3 | 4 | 5;

export interface Credentials {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly protocolVersion: ProtocolVersion;
  readonly remoteAddress: string;
  /** As the transport has it: empty without TLS, or without a certificate. Unchecked. */
  readonly certificateChain: readonly Uint8Array[];
}

/** Who the client is. `Identity` is the host's own and handed back on every call. */
export type Authentication<Identity> =
  | {
      readonly kind: 'accepted';
      readonly identity: Identity;
      readonly sessionKey: string;
      /** A rate of publishes that this connection shares with others, beside its own. */
      readonly sharedRate?: SharedPublishRate | null;
    }
  | {
      readonly kind: 'refused';
      readonly reason:
        | 'badCredentials'
        | 'notAuthorized'
        | 'banned'
        | 'serverBusy'
        | 'serverUnavailable'
        | 'clientIdInvalid'
        | 'connectRateExceeded';
      readonly detail: string;
    };

/** What MQTT 5 lets a message say about itself. Older clients neither send nor get it. */
export interface MessageProperties {
  /** True: the payload is UTF-8 text. */
  readonly payloadFormatIndicator?: boolean;
  readonly contentType?: string | null;
  readonly responseTopic?: string | null;
  readonly correlationData?: Uint8Array | null;
  /** In order; a name may occur again. */
  readonly userProperties?: readonly (readonly [string, string])[];
}

export interface InboundMessage extends MessageProperties {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly dup: boolean;
  readonly retain: boolean;
  /** 0 for QoS 0. */
  readonly packetId: number;
  readonly contentType: string | null;
  /** In the order received; a name may occur again. */
  readonly userProperties: readonly (readonly [string, string])[];
  /** How long the message is of use, as the client said; absent or null: for ever. */
  readonly messageExpiryMs?: number | null;
}

/** Answered only when the message is durable, or will never be. */
export type PublishOutcome =
  | {
      readonly kind: 'stored';
      /** Nobody takes such messages: on MQTT 5 the acknowledgement says 0x10. */
      readonly hasNoSubscribers?: boolean;
    }
  /** The message is acknowledged with this reason on MQTT 5 and plainly on 3.1.1 (it is durable as a dead letter). */
  | { readonly kind: 'refused'; readonly reason: PublishRefusal; readonly detail: string }
  /** It could not be made durable: never acknowledged, and the connection is closed (MQTT 5: with a reason). */
  | { readonly kind: 'failed'; readonly detail: string }
  /** The connection must end, e.g. a 3.1.1 device that writes to another device's topic. */
  | { readonly kind: 'violation'; readonly reason: PublishRefusal; readonly detail: string };

export type PublishRefusal =
  | 'payloadFormatInvalid'
  | 'topicNameInvalid'
  | 'notAuthorized'
  | 'quotaExceeded'
  | 'packetTooLarge'
  | 'implementationSpecific';

export type CloseReason =
  | 'clientDisconnected'
  | 'connectionLost'
  | 'keepaliveTimeout'
  | 'takenOver'
  | 'revoked'
  /** What the client proved itself with is good no longer, by its own date. */
  | 'credentialExpired'
  | 'protocolError'
  /** No CONNECT in time. */
  | 'connectTimeout'
  /** The client left what it was sent unread. */
  | 'slowReader'
  /** The client published more than it may for too long. */
  | 'overRate'
  | 'overloaded'
  | 'draining';

export interface WillMessage extends MessageProperties {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageExpiryMs?: number | null;
}

/** One authenticated connection, as the host sees it. */
export interface Session<Identity> {
  readonly identity: Identity;
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  readonly remoteAddress: string;
  /** The session is older than this connection: its filters and messages are still there. */
  readonly isResumed: boolean;
  /** Filters in force, as the client wrote them. */
  subscriptions(): ReadonlyMap<string, 0 | 1 | 2>;
  /** Sends a message to this client alone. The promise settles exactly once. */
  send(message: OutboundMessage): Promise<DeliveryOutcome>;
  close(reason: CloseReason): void;
}

export interface OutboundMessage extends MessageProperties {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain?: boolean;
  /** Counted from `send`; the rest goes with the message to an MQTT 5 client. */
  readonly expiryMs?: number;
  /** It does not wait for the next connection: if this one ends before it was sent, its outcome is `offline`. */
  readonly onlyWhileConnected?: boolean;
}

export type DeliveryOutcome =
  /** QoS 0: written. QoS 1 and 2: the reason code of the PUBACK or PUBREC with which the client took it. */
  | { readonly kind: 'delivered'; readonly reasonCode: number }
  | {
      readonly kind: 'notDelivered';
      /**
       * `offline`: QoS 0, or `onlyWhileConnected`, to a session without a connection. `dropped`: it made room for a
       * newer message. `handedOver`: the session, with this message, may go on at another endpoint, and what becomes of
       * it is not known here.
       */
      readonly reason: 'sessionEnded' | 'expired' | 'queueFull' | 'tooLarge' | 'offline' | 'dropped' | 'handedOver';
    };

/** A filter that was granted, with what the client asked for besides. */
export interface SubscriptionGrant {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  /** It replaced the same filter. */
  readonly existed: boolean;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: number;
}

/** Takes what became of one message. What is settled in one turn of the event loop is acknowledged with one write. */
export interface PublishAnswer {
  settle(outcome: PublishOutcome): void;
}

export interface EndpointHost<Identity> {
  authenticate(credentials: Credentials): Promise<Authentication<Identity>>;
  /** The connection is the device's only one now (its older one is closed); CONNACK leaves when this settles. */
  sessionOpened(session: Session<Identity>): Promise<void>;
  /**
   * Called in receive order per session; answers may settle in any order, acknowledgements leave in receive order.
   *
   * A host answers with the promise, or, which costs less per message, answers null here and calls `answer.settle`
   * later, after this call has returned.
   */
  publish(session: Session<Identity>, message: InboundMessage, answer: PublishAnswer): Promise<PublishOutcome> | null;
  /**
   * The client released a QoS 2 message that the host has. Called before the session is stored without its packet id,
   * and that is before PUBCOMP: from then on the id is that of another message.
   */
  released?(session: Session<Identity>, packetId: number): void;
  /** A message that was held over a rate when its connection ended: it was never handed over, nor acknowledged. */
  letGo?(session: Session<Identity>, message: InboundMessage): void;
  /** Decides one filter. A refused one is never stored. */
  maySubscribe(session: Session<Identity>, filter: string): boolean;
  /** After the SUBACK was written: these filters are in force. `grants` says more of each, in the same order. */
  subscribed(session: Session<Identity>, filters: readonly string[], grants: readonly SubscriptionGrant[]): void;
  /** Exactly once per opened session. `will` is set when it must be fired. */
  sessionClosed(session: Session<Identity>, reason: CloseReason, will: WillMessage | null): void;
  /** A will whose delay has passed, or whose session has ended. Without this method wills are never delayed. */
  willDue?(session: Session<Identity>, will: WillMessage): void;
}

export interface EndpointLimits {
  readonly packetBytesMax: number;
  readonly connectTimeoutMs: number;
  readonly keepaliveSecondsMax: number;
  readonly connectionsMax: number;
  /** Publishes of one connection that may wait for their append (MQTT 5: advertised as Receive Maximum). */
  readonly receiveMax: number;
  /** Bytes of one connection that may wait for their append before its socket is no longer read. */
  readonly inboundBytesMax: number;
  readonly outboundQueueMax: number;
  readonly outboundBytesMax: number;
  readonly subscriptionsMax: number;
  readonly topicAliasMax: number;
  readonly publishesPerSecondMax: number;
  /** Bytes of publishes of one connection in a second; 0 or absent: no limit. */
  readonly publishBytesPerSecondMax?: number;
  /** How long a connection may be over one of these two without a pause; 0 or absent: for ever. */
  readonly overRateMsMax?: number;
  /** SUBSCRIBE packets of one connection in a minute; more are refused. No limit when absent. */
  readonly subscribesPerMinuteMax?: number;
  /** How long a packet may take from its first byte to its last; two minutes when absent. */
  readonly packetTimeoutMs?: number;
  /** Largest QoS that a filter is granted, and so that a host should send with. 1 when absent. */
  readonly outboundQosMax?: 1 | 2;
  /** Topics per connection that are shortened to an alias on their way to a client that takes them. 0 when absent. */
  readonly outboundTopicAliasMax?: number;
}
