import type { ConnectRequest } from './connect-request.ts';
import type { ConnectionOutput } from '../outbound/connection-output.ts';
import { DeviceSession } from '../sessions/device-session.ts';
import type { CloseReason, EndpointLimits } from '../endpoint-host.ts';
import type { EngineContext } from '../engine-context.ts';
import { InboundPublishes } from '../inbound/inbound-publishes.ts';
import { PublishPass } from '../inbound/publish-pass.ts';
import { PublishRate } from '../inbound/publish-rate.ts';
import { type ReadingGate, StopReason } from '../inbound/reading-gate.ts';
import { closeReasonCodes, ReasonCode } from '../wire/reason-codes.ts';
import type { SessionState } from '../sessions/session-state.ts';
import type { SharedPublishRate } from '../inbound/shared-publish-rate.ts';
import { SubscribeRate } from '../sessions/subscribe-rate.ts';

/** How a connection ends. `code` null: nothing is said to the client. */
export interface Ending {
  readonly reason: CloseReason;
  readonly code: ReasonCode | null;
  readonly detail: string | null;
}

/** What a connection consists of once its client is known. */
export interface ReadyConnection<Identity> {
  readonly session: DeviceSession<Identity>;
  readonly state: SessionState<Identity>;
  readonly inbound: InboundPublishes<Identity>;
  readonly output: ConnectionOutput;
  readonly gate: ReadingGate;
  readonly subscribeRate: SubscribeRate;
  readonly clientPacketBytesMax: number;
  /** CONNECT asked for a session expiry, so DISCONNECT may ask for another one. */
  readonly mayExtendSession: boolean;
  readonly disconnect: (how: { keepsWill: boolean; sessionExpirySeconds: number | null }) => void;
}

const FENCED: Ending = { reason: 'takenOver', code: ReasonCode.sessionTakenOver, detail: null };
const NOT_STORED: Ending = {
  reason: 'overloaded',
  code: ReasonCode.implementationSpecificError,
  detail: 'the session could not be stored',
};

export interface ReadyConnectionOptions<Identity> {
  readonly request: ConnectRequest;
  readonly identity: Identity;
  readonly state: SessionState<Identity>;
  readonly isResumed: boolean;
  readonly sharedRate: SharedPublishRate | null;
  readonly remoteAddress: string;
  readonly output: ConnectionOutput;
  readonly gate: ReadingGate;
  readonly end: (ending: Ending) => void;
  readonly onDisconnect: ReadyConnection<Identity>['disconnect'];
}

export function createReadyConnection<Identity>(
  context: EngineContext<Identity>,
  options: ReadyConnectionOptions<Identity>,
): ReadyConnection<Identity> {
  const { limits, host, now } = context;
  const { request, output, gate, end, state, isResumed } = options;
  const close = (reason: CloseReason): void => end({ reason, code: closeReasonCodes[reason], detail: null });
  const { outbound, journal, qos2 } = state;
  outbound.attach({
    output,
    version: request.version,
    clientReceiveMax: request.receiveMax,
    clientPacketBytesMax: request.packetBytesMax,
    topicAliasMax: Math.min(request.topicAliasMax, limits.outboundTopicAliasMax ?? 0),
  });
  const session = new DeviceSession({
    identity: options.identity,
    request,
    remoteAddress: options.remoteAddress,
    state,
    isResumed,
    limits,
    host,
    close,
  });
  if (isResumed) session.filters.decideAgain();
  state.session = session;
  state.onLost = (cause) => end(cause === 'fenced' ? FENCED : NOT_STORED);
  const inbound = new InboundPublishes({
    context,
    session,
    qos2,
    journal,
    pass: new PublishPass({ own: publishRate(limits, now()), shared: options.sharedRate, now }),
    output,
    gate,
    reasonStrings: request.reasonStrings,
    clientPacketBytesMax: request.packetBytesMax,
    onEnd: (cause, code, detail) => end({ reason: cause === 'failed' ? 'overloaded' : 'protocolError', code, detail }),
    onIdle: () => {
      if (gate.holds(StopReason.draining)) close('draining');
    },
  });
  return {
    session,
    state,
    inbound,
    output,
    gate,
    subscribeRate: new SubscribeRate(limits.subscribesPerMinuteMax ?? Number.POSITIVE_INFINITY, now()),
    clientPacketBytesMax: request.packetBytesMax,
    mayExtendSession: request.sessionExpirySeconds > 0,
    disconnect: options.onDisconnect,
  };
}

function publishRate(limits: EndpointLimits, nowMs: number): PublishRate {
  const { publishesPerSecondMax: messagesPerSecondMax, publishBytesPerSecondMax: bytesPerSecondMax = 0 } = limits;
  return new PublishRate({ messagesPerSecondMax, bytesPerSecondMax }, nowMs);
}
