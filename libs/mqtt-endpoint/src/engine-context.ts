import type { AcceptedConnacks } from './connection/connack.ts';
import type { Connection } from './connection/connection.ts';
import type { EndpointHost, EndpointLimits } from './endpoint-host.ts';
import type { EndpointObserver } from './endpoint-observer.ts';
import type { FlushQueue } from './outbound/flush-queue.ts';
import type { KnownTopics } from './wire/known-topics.ts';
import type { PacketCodec } from './wire/packet-codec.ts';
import type { PacedQueue } from './inbound/paced-queue.ts';
import type { PacketLayout } from './wire/packet-layout.ts';
import type { SpacedQueue } from './inbound/spaced-queue.ts';
import type { SessionKeeper } from './sessions/session-keeper.ts';
import type { SessionRegistry } from './sessions/session-registry.ts';
import type { TurnQueue } from './connection/turn-queue.ts';

/** What all connections of one endpoint share. */
export interface EngineContext<Identity> {
  readonly host: EndpointHost<Identity>;
  readonly limits: EndpointLimits;
  readonly now: () => number;
  readonly observer: EndpointObserver;
  readonly connacks: AcceptedConnacks;
  readonly codec: PacketCodec;
  readonly layout: PacketLayout;
  readonly topics: KnownTopics;
  readonly flushQueue: FlushQueue;
  readonly turns: TurnQueue;
  readonly paced: PacedQueue;
  readonly spaced: SpacedQueue;
  /** Set by the host while it has too much in hand: each connection then has one message in process at most. */
  readonly pressure: {
    isHigh: boolean;
    /** The host is behind, so acknowledgements take long: who sends faster than they come is read in larger pieces. */
    gathers: boolean;
  };
  readonly registry: SessionRegistry<Identity>;
  readonly keeper: SessionKeeper<Identity>;
  readonly connections: Set<Connection<Identity>>;
  /** Set once, when the endpoint is told to drain. */
  readonly isDraining: () => boolean;
  /** Where clients should go when this endpoint drains. */
  readonly serverReference: () => string | null;
  readonly onConnectionGone: () => void;
}
