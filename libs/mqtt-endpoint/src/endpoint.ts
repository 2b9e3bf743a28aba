import { AcceptedConnacks } from './connection/connack.ts';
import { Connection } from './connection/connection.ts';
import { DrainBatches } from './connection/drain-batches.ts';
import type { EndpointHost, EndpointLimits, Session, Transport } from './endpoint-host.ts';
import type { EndpointObserver } from './endpoint-observer.ts';
import type { EngineContext } from './engine-context.ts';
import { REFUSED_CONNECTIONS_MAX } from './engine-limits.ts';
import { FlushQueue } from './outbound/flush-queue.ts';
import { PacedQueue } from './inbound/paced-queue.ts';
import { SpacedQueue } from './inbound/spaced-queue.ts';
import { KnownTopics } from './wire/known-topics.ts';
import { PacketCodec } from './wire/packet-codec.ts';
import { PacketLayout } from './wire/packet-layout.ts';
import { SessionKeeper, type SessionOptions } from './sessions/session-keeper.ts';
import { SessionRegistry } from './sessions/session-registry.ts';
import { TurnQueue } from './connection/turn-queue.ts';

export interface MqttEndpointOptions<Identity> {
  readonly host: EndpointHost<Identity>;
  readonly limits: EndpointLimits;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly observer?: EndpointObserver;
  /** Absent: every session ends with its connection. */
  readonly sessions?: SessionOptions;
}

/** What a transport reports about one connection. */
export interface ConnectionInput {
  /** The engine keeps views of `bytes` while a message is in process: the transport must not write to them again. */
  receive(bytes: Uint8Array): void;
  /** The peer is gone, or the transport failed. Called at most once; later calls mean nothing. */
  transportClosed(): void;
  /** `Transport.write` answered false before, and the peer has caught up. */
  drained(): void;
}

export interface DrainOptions {
  /** Publishes in process have this long to be settled and acknowledged; then their connections close without. */
  readonly timeoutMs: number;
  /** Where MQTT 5 clients should go instead (Server Reference): their DISCONNECT is 0x9C then, and not 0x8B. */
  readonly serverReference?: string;
  /** So many connections are told at once, and as many more by each `sweep`. By default all. */
  readonly batchMax?: number;
}

export interface MqttEndpoint<Identity> {
  accept(transport: Transport): ConnectionInput;
  session(sessionKey: string): Session<Identity> | null;
  sessions(): Iterable<Session<Identity>>;
  /** Sessions that go on without a connection, each as its last connection's: `send` queues for the next one. */
  detachedSessions(): Iterable<Session<Identity>>;
  /** Ends a session for good, with its connection if it has one. */
  endSession(sessionKey: string): void;
  /** Called by the host every 250 ms to 1 s: all that depends on time happens here. */
  sweep(): void;
  /**
   * Stops reading, acknowledges what is in process, tells the clients (MQTT 5: 0x8B) and closes. New connections are
   * refused from now on; those whose batch has not come are served as before. Needs `sweep` to go on until it settles.
   */
  drain(options: DrainOptions): Promise<void>;
  /**
   * The host has as much in hand as it can hold: from now on a connection is read again only when nothing of it is in
   * process any more. What is in process stays, and everything goes on as before when the pressure is gone.
   */
  setPressure(isHigh: boolean): void;
  /**
   * The host is behind and its answers take a while. From now on a connection that has sent more before they came is
   * read again when it has them, or after `GATHER_MS`; one that may be expected to send more than one message within
   * that time is left unread for as long. What comes meanwhile is taken with one reading, and answered with one write.
   * Everything else goes on as before.
   */
  setGathering(gathers: boolean): void;
  /** Connections accepted and not closed, with those whose CONNECT is still to come. */
  readonly connectionCount: number;
}

/** An MQTT 3.1, 3.1.1 and 5 endpoint for devices: bytes in, bytes out; it knows no sockets and no timers. */
export function createMqttEndpoint<Identity>(options: MqttEndpointOptions<Identity>): MqttEndpoint<Identity> {
  const { host, limits, now, observer = {} } = options;
  const connections = new Set<Connection<Identity>>();
  const registry = new SessionRegistry<Identity>();
  let serverReference: string | null = null;
  let drainDeadlineMs: number | null = null;
  const onDrained: (() => void)[] = [];

  const batches = new DrainBatches(connections);
  const releaseDrain = (): void => onDrained.splice(0).forEach((settle) => settle());
  const settleDrain = (): void => {
    if (drainDeadlineMs !== null && connections.size === 0) void keeper.drain().then(releaseDrain);
  };
  const keeper = new SessionKeeper({ host, limits, now, observer, sessions: options.sessions ?? null });
  const context: EngineContext<Identity> = {
    host,
    limits,
    now,
    observer,
    keeper,
    registry,
    connections,
    isDraining: () => drainDeadlineMs !== null,
    serverReference: () => serverReference,
    onConnectionGone: settleDrain,
    ...createTools(limits, now),
  };

  return {
    accept: (transport) => acceptConnection(context, transport),
    session: (sessionKey) => registry.get(sessionKey)?.session ?? null,
    detachedSessions: () => keeper.detached(),
    endSession(sessionKey) {
      registry.get(sessionKey)?.close('revoked');
      const detached = keeper.find(sessionKey);
      if (detached !== null) keeper.end(detached, 'removed');
    },
    *sessions() {
      for (const connection of registry.holders()) if (connection.session !== null) yield connection.session;
    },
    sweep() {
      const nowMs = now();
      context.paced.releaseDue();
      context.spaced.releaseDue();
      const isOverdue = drainDeadlineMs !== null && nowMs >= drainDeadlineMs;
      for (const connection of connections) {
        if (isOverdue) connection.close('draining');
        else connection.sweep(nowMs);
      }
      batches.next();
      if (drainDeadlineMs === null) keeper.sweep(nowMs);
      // A store that does not answer is not waited for any longer.
      else if (isOverdue) releaseDrain();
    },
    drain({ timeoutMs, serverReference: reference = null, batchMax = Number.POSITIVE_INFINITY }) {
      serverReference ??= reference;
      drainDeadlineMs ??= now() + timeoutMs;
      batches.begin(batchMax);
      return new Promise((settle) => {
        onDrained.push(settle);
        settleDrain();
      });
    },
    ...switchesOf(context.pressure),
    get connectionCount() {
      return connections.size;
    },
  };
}

function switchesOf(
  pressure: EngineContext<unknown>['pressure'],
): Pick<MqttEndpoint<unknown>, 'setPressure' | 'setGathering'> {
  return {
    setPressure(isHigh) {
      pressure.isHigh = isHigh;
    },
    setGathering(gathers) {
      pressure.gathers = gathers;
    },
  };
}

function acceptConnection<Identity>(context: EngineContext<Identity>, transport: Transport): Connection<Identity> {
  const { connections, limits } = context;
  const connection = new Connection(context, transport, connections.size >= limits.connectionsMax);
  if (connections.size >= limits.connectionsMax + REFUSED_CONNECTIONS_MAX) connection.abort();
  else connections.add(connection);
  return connection;
}

/** What serves all connections of one endpoint in turn, so that none has its own. */
function createTools(limits: EndpointLimits, now: () => number) {
  return {
    connacks: new AcceptedConnacks(limits),
    codec: new PacketCodec(),
    layout: new PacketLayout(),
    topics: new KnownTopics(),
    flushQueue: new FlushQueue(),
    turns: new TurnQueue(),
    paced: new PacedQueue(),
    spaced: new SpacedQueue(now),
    pressure: { isHigh: false, gathers: false },
  };
}
