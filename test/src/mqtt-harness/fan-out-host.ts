import type {
  Authentication,
  CloseReason,
  Credentials,
  EndpointHost,
  InboundMessage,
  PublishOutcome,
  Session,
  SubscriptionGrant,
  WillMessage,
} from '@breakwater/mqtt-endpoint';

import { type RetainedMessage, RetainedMessages } from './retained-messages.ts';
import { topicMatches } from './topic-match.ts';

/** MQTT 5 §3.8.3.1: when retained messages are sent at a subscribe. */
const RetainHandling = { always: 0, whenNew: 1, never: 2 } as const;

/** Topics that belong to the server. The state of a bridge is the exception, as with the broker whose suite we run. */
const SERVER_TOPIC = /^\$(?:share\/|SYS\/(?!broker\/connection\/[^/]+\/state$))/;

type Publication = Omit<InboundMessage, 'dup' | 'packetId'>;

export interface FanOutOptions {
  readonly now: () => number;
  /** Sessions without a connection, for which the engine keeps messages. */
  readonly detached: () => Iterable<Session<string>>;
}

/**
 * A general broker in miniature, so that suites written for brokers can run against the engine: everybody is let in,
 * every topic is allowed, and what one client publishes reaches all that subscribed. The product has nothing of this:
 * its devices reach their own topics only.
 */
export class FanOutHost implements EndpointHost<string> {
  readonly #sessions = new Map<string, Session<string>>();
  readonly #retained = new RetainedMessages();
  /** What each client asked for with its filters. The engine knows which of them are still in force. */
  readonly #grants = new Map<string, Map<string, SubscriptionGrant>>();
  readonly #options: FanOutOptions;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  authenticate({ clientId }: Credentials): Promise<Authentication<string>> {
    return Promise.resolve({ kind: 'accepted', identity: clientId, sessionKey: clientId });
  }

  sessionOpened(session: Session<string>): Promise<void> {
    this.#sessions.set(session.identity, session);
    if (session.subscriptions().size === 0) this.#grants.delete(session.identity);
    return Promise.resolve();
  }

  publish(session: Session<string>, message: InboundMessage): Promise<PublishOutcome> {
    if (SERVER_TOPIC.test(message.topic)) {
      return Promise.resolve({ kind: 'refused', reason: 'notAuthorized', detail: 'a topic of the server' });
    }
    // The engine lends its buffers, and a subscriber may be slow.
    const reached = this.#fanOut(session.identity, { ...message, payload: Buffer.from(message.payload) });
    return Promise.resolve({ kind: 'stored', hasNoSubscribers: reached === 0 && message.qos === 1 });
  }

  maySubscribe(): boolean {
    return true;
  }

  subscribed(session: Session<string>, _filters: readonly string[], grants: readonly SubscriptionGrant[]): void {
    const known = this.#grants.get(session.identity) ?? new Map<string, SubscriptionGrant>();
    this.#grants.set(session.identity, known);
    for (const grant of grants) {
      known.set(grant.filter, grant);
      if (grant.retainHandling === RetainHandling.never) continue;
      if (grant.retainHandling === RetainHandling.whenNew && grant.existed) continue;
      for (const retained of this.#retained.matching(grant.filter)) this.#sendRetained(session, grant, retained);
    }
  }

  sessionClosed(session: Session<string>, _reason: CloseReason, will: WillMessage | null): void {
    if (this.#sessions.get(session.identity) === session) this.#sessions.delete(session.identity);
    if (will !== null) this.willDue(session, will);
  }

  willDue(session: Session<string>, will: WillMessage): void {
    this.#fanOut(session.identity, {
      ...will,
      contentType: will.contentType ?? null,
      userProperties: will.userProperties ?? [],
    });
  }

  /** Answers how many sessions the message is meant for. */
  #fanOut(publisherKey: string, message: Publication): number {
    if (message.retain) this.#retained.store({ message, publisherKey, receivedAtMs: this.#options.now() });
    let reached = 0;
    for (const session of this.#targets()) {
      const grants = this.#matchingGrants(session, message.topic);
      if (grants.length === 0) continue;
      reached += 1;
      const wanted = grants.filter((grant) => !grant.noLocal || session.identity !== publisherKey);
      if (wanted.length === 0) continue;
      // Overlapping filters bring one copy, with the best quality among them.
      this.#send(session, message, {
        qosMax: Math.max(...wanted.map(({ qos }) => qos)),
        retain: message.retain && wanted.some(({ retainAsPublished }) => retainAsPublished),
        elapsedMs: 0,
      });
    }
    return reached;
  }

  #targets(): Iterable<Session<string>> {
    const byKey = new Map<string, Session<string>>();
    for (const session of this.#options.detached()) byKey.set(session.identity, session);
    for (const [key, session] of this.#sessions) byKey.set(key, session);
    return byKey.values();
  }

  #matchingGrants(session: Session<string>, topic: string): SubscriptionGrant[] {
    const grants = this.#grants.get(session.identity);
    return [...session.subscriptions().keys()].flatMap((filter) => {
      const grant = topicMatches(filter, topic) ? grants?.get(filter) : undefined;
      return grant === undefined ? [] : [grant];
    });
  }

  #sendRetained(session: Session<string>, grant: SubscriptionGrant, retained: RetainedMessage): void {
    if (grant.noLocal && retained.publisherKey === session.identity) return;
    const elapsedMs = this.#options.now() - retained.receivedAtMs;
    this.#send(session, retained.message, { qosMax: grant.qos, retain: true, elapsedMs });
  }

  #send(
    session: Session<string>,
    message: Publication,
    how: { qosMax: number; retain: boolean; elapsedMs: number },
  ): void {
    const expiryMs = message.messageExpiryMs == null ? undefined : message.messageExpiryMs - how.elapsedMs;
    if (expiryMs !== undefined && expiryMs <= 0) return;
    const outbound = {
      topic: message.topic,
      payload: message.payload,
      qos: Math.min(message.qos, how.qosMax) as 0 | 1 | 2,
      retain: how.retain,
      contentType: message.contentType,
      responseTopic: message.responseTopic ?? null,
      correlationData: message.correlationData ?? null,
      userProperties: message.userProperties,
      ...(message.payloadFormatIndicator !== undefined && { payloadFormatIndicator: message.payloadFormatIndicator }),
      ...(expiryMs !== undefined && { expiryMs }),
    };
    // On a later turn, so that a client hears that its message arrived before the message comes back to it. Nobody
    // waits for the outcome: a general broker does not tell the publisher.
    setImmediate(() => void session.send(outbound));
  }
}
