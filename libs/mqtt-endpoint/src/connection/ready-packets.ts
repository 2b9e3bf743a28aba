import type { IDisconnectPacket, ISubscribePacket, IUnsubscribePacket, Packet } from 'mqtt-packet';
import type { InboundMessage } from '../endpoint-host.ts';
import type { EngineContext } from '../engine-context.ts';
import { FILTERS_PER_PACKET_MAX } from '../engine-limits.ts';
import { AckType, encodeAckWithReason, encodePacket, PINGRESP } from '../wire/packet-encoder.ts';
import { validatePacket } from '../wire/packet-validator.ts';
import { ProtocolFault } from '../wire/protocol-fault.ts';
import type { ReadyConnection } from './ready-connection.ts';
import { ReasonCode } from '../wire/reason-codes.ts';

export interface ReceivedPacket {
  readonly packet: Packet;
  readonly userProperties: InboundMessage['userProperties'];
  readonly bytes: number;
}

const TOO_MANY_FILTERS = new ProtocolFault(
  ReasonCode.quotaExceeded,
  `a packet may have ${FILTERS_PER_PACKET_MAX} filters`,
);
const TOO_LARGE_FOR_CLIENT = new ProtocolFault(ReasonCode.packetTooLarge, 'the answer is larger than you take');

/** What an authenticated client may say, and the answer to it. A fault ends the connection. */
export function handlePacket<Identity>(
  context: EngineContext<Identity>,
  ready: ReadyConnection<Identity>,
  received: ReceivedPacket,
): ProtocolFault | null {
  const { packet } = received;
  const invalid = validatePacket(packet, ready.session.protocolVersion);
  if (invalid !== null) return invalid;
  switch (packet.cmd) {
    case 'publish':
      return ready.inbound.receive(packet, received.userProperties, received.bytes);
    case 'puback':
      return ready.session.outbound.acknowledged(packet.messageId as number, packet.reasonCode ?? ReasonCode.success);
    case 'pubrel':
      return ready.inbound.release(packet.messageId as number);
    case 'pubrec':
      return answerPubrec(ready, packet.messageId as number, packet.reasonCode ?? ReasonCode.success);
    case 'pubcomp':
      return ready.session.outbound.completed(packet.messageId as number);
    case 'subscribe':
      return subscribe(context, ready, packet);
    case 'unsubscribe':
      return unsubscribe(ready, packet);
    case 'pingreq':
      ready.output.packet(PINGRESP);
      return null;
    case 'disconnect':
      return disconnect(ready, packet);
    default:
      return new ProtocolFault(ReasonCode.protocolError, `a client may not send ${packet.cmd} here`);
  }
}

function answerPubrec<Identity>(
  ready: ReadyConnection<Identity>,
  packetId: number,
  code: number,
): ProtocolFault | null {
  const { output, session } = ready;
  if (session.outbound.isInFlight(packetId)) return session.outbound.received(packetId, code);
  // A refusal of what is not in flight needs no answer: the client has let go of the id.
  if (code >= ReasonCode.unspecifiedError) return null;
  const reasonCode = ReasonCode.packetIdentifierNotFound;
  if (session.protocolVersion === 5) {
    output.packet(encodeAckWithReason({ type: AckType.pubrel, packetId, reasonCode, reasonString: null }));
  } else {
    output.ack(AckType.pubrel, packetId);
  }
  return null;
}

function subscribe<Identity>(
  context: EngineContext<Identity>,
  ready: ReadyConnection<Identity>,
  packet: ISubscribePacket,
): ProtocolFault | null {
  if (packet.subscriptions.length > FILTERS_PER_PACKET_MAX) return TOO_MANY_FILTERS;
  const { session, output, state, inbound } = ready;
  const tellSubscribed = (tell: () => void): void => {
    try {
      if (!inbound.hasEnded) tell();
    } catch (error) {
      context.observer.hostFailed?.('subscribed', error);
      session.close('overloaded');
    }
  };
  try {
    const isTooOften = !ready.subscribeRate.spend(context.now());
    const { codes, grants, refusals } = isTooOften
      ? session.filters.refuseAll(packet.subscriptions, ReasonCode.quotaExceeded)
      : session.filters.subscribe(packet.subscriptions);
    for (const code of refusals) context.observer.subscribeRefused?.(code);
    const suback = { cmd: 'suback' as const, messageId: packet.messageId as number, granted: [...codes] };
    const bytes = encodePacket(suback, session.protocolVersion);
    if (bytes.length > ready.clientPacketBytesMax) return TOO_LARGE_FOR_CLIENT;
    const filters = grants.map(({ filter }) => filter);
    state.journal.commit(() => {
      output.packet(bytes);
      if (filters.length > 0) tellSubscribed(() => context.host.subscribed(session, filters, grants));
    });
    return null;
  } catch (error) {
    context.observer.hostFailed?.('subscribe', error);
    return new ProtocolFault(ReasonCode.implementationSpecificError, 'internal error');
  }
}

function unsubscribe<Identity>(ready: ReadyConnection<Identity>, packet: IUnsubscribePacket): ProtocolFault | null {
  if (packet.unsubscriptions.length > FILTERS_PER_PACKET_MAX) return TOO_MANY_FILTERS;
  const granted = [...ready.session.filters.unsubscribe(packet.unsubscriptions)];
  const unsuback = { cmd: 'unsuback' as const, messageId: packet.messageId as number, granted };
  const bytes = encodePacket(unsuback, ready.session.protocolVersion);
  if (bytes.length > ready.clientPacketBytesMax) return TOO_LARGE_FOR_CLIENT;
  ready.state.journal.commit(() => ready.output.packet(bytes));
  return null;
}

function disconnect<Identity>(ready: ReadyConnection<Identity>, packet: IDisconnectPacket): ProtocolFault | null {
  if ((packet.properties?.sessionExpiryInterval ?? 0) > 0 && !ready.mayExtendSession) {
    return new ProtocolFault(ReasonCode.protocolError, 'DISCONNECT cannot give a session an expiry it did not have');
  }
  ready.disconnect({
    keepsWill: (packet.reasonCode ?? ReasonCode.success) !== ReasonCode.success,
    sessionExpirySeconds: packet.properties?.sessionExpiryInterval ?? null,
  });
  return null;
}
