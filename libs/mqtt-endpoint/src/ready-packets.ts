import type { IDisconnectPacket, ISubscribePacket, IUnsubscribePacket, Packet } from 'mqtt-packet';
import type { InboundMessage } from './endpoint-host.ts';
import type { EngineContext } from './engine-context.ts';
import { AckType, encodeAckWithReason, encodePacket, PINGRESP } from './packet-encoder.ts';
import { validatePacket } from './packet-validator.ts';
import { ProtocolFault } from './protocol-fault.ts';
import { StopReason } from './reading-gate.ts';
import type { ReadyConnection } from './ready-connection.ts';
import { ReasonCode } from './reason-codes.ts';

export interface ReceivedPacket {
  readonly packet: Packet;
  readonly userProperties: InboundMessage['userProperties'];
  readonly bytes: number;
}

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
    case 'publish': {
      if (!ready.rate.spend(context.now())) {
        if (!ready.gate.holds(StopReason.rate)) context.observer.readingStopped?.('rate');
        ready.gate.stop(StopReason.rate);
      }
      return ready.inbound.receive(packet, received.userProperties, received.bytes);
    }
    case 'puback':
      ready.session.outbound.acknowledged(packet.messageId as number, packet.reasonCode ?? ReasonCode.success);
      return null;
    case 'pubrel':
      return ready.inbound.release(packet.messageId as number);
    case 'pubrec':
      return answerPubrec(ready, packet.messageId as number);
    case 'pubcomp':
      return refuseQos2Answer(ready, packet.messageId as number);
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

/** Nothing is sent with QoS 2, so its answers can only be to nothing, or to a QoS 1 message, which is a fault. */
function refuseQos2Answer<Identity>(ready: ReadyConnection<Identity>, packetId: number): ProtocolFault | null {
  if (!ready.session.outbound.isInFlight(packetId)) return null;
  return new ProtocolFault(ReasonCode.protocolError, 'QoS 2 answer to a QoS 1 message');
}

function answerPubrec<Identity>(ready: ReadyConnection<Identity>, packetId: number): ProtocolFault | null {
  const fault = refuseQos2Answer(ready, packetId);
  if (fault !== null) return fault;
  const reasonCode = ReasonCode.packetIdentifierNotFound;
  if (ready.session.protocolVersion === 5) {
    ready.output.packet(encodeAckWithReason({ type: AckType.pubrel, packetId, reasonCode, reasonString: null }));
  } else {
    ready.output.ack(AckType.pubrel, packetId);
  }
  return null;
}

function subscribe<Identity>(
  context: EngineContext<Identity>,
  ready: ReadyConnection<Identity>,
  packet: ISubscribePacket,
): ProtocolFault | null {
  const { session, output } = ready;
  try {
    const { codes, granted } = session.filters.subscribe(packet.subscriptions);
    const suback = { cmd: 'suback' as const, messageId: packet.messageId as number, granted: [...codes] };
    const bytes = encodePacket(suback, session.protocolVersion);
    if (bytes.length > ready.clientPacketBytesMax) return TOO_LARGE_FOR_CLIENT;
    output.packet(bytes);
    if (granted.length > 0) context.host.subscribed(session, granted);
    return null;
  } catch (error) {
    context.observer.hostFailed?.('subscribe', error);
    return new ProtocolFault(ReasonCode.implementationSpecificError, 'internal error');
  }
}

function unsubscribe<Identity>(ready: ReadyConnection<Identity>, packet: IUnsubscribePacket): ProtocolFault | null {
  const granted = [...ready.session.filters.unsubscribe(packet.unsubscriptions)];
  const unsuback = { cmd: 'unsuback' as const, messageId: packet.messageId as number, granted };
  const bytes = encodePacket(unsuback, ready.session.protocolVersion);
  if (bytes.length > ready.clientPacketBytesMax) return TOO_LARGE_FOR_CLIENT;
  ready.output.packet(bytes);
  return null;
}

function disconnect<Identity>(ready: ReadyConnection<Identity>, packet: IDisconnectPacket): ProtocolFault | null {
  if ((packet.properties?.sessionExpiryInterval ?? 0) > 0 && !ready.mayExtendSession) {
    return new ProtocolFault(ReasonCode.protocolError, 'DISCONNECT cannot give a session an expiry it did not have');
  }
  ready.disconnect((packet.reasonCode ?? ReasonCode.success) !== ReasonCode.success);
  return null;
}
