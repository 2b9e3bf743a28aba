import type { IPublishPacket } from 'mqtt-packet';
import { AckOrder } from './ack-order.ts';
import type { ConnectionOutput } from '../outbound/connection-output.ts';
import type { EngineContext } from '../engine-context.ts';
import type { InboundMessage, PublishOutcome, ProtocolVersion, Session } from '../endpoint-host.ts';
import type { AnswerQos2, InboundQos2 } from './inbound-qos2.ts';
import { toMessageProperties } from '../wire/message-properties.ts';
import { AckType, encodeAckWithReason } from '../wire/packet-encoder.ts';
import { ProtocolFault } from '../wire/protocol-fault.ts';
import { type ReadingGate, StopReason } from './reading-gate.ts';
import { type PublishOwner, ReceivedPublish } from './received-publish.ts';
import { publishRefusalCodes, ReasonCode, violationCode } from '../wire/reason-codes.ts';
import type { HoldCause, PublishPass } from './publish-pass.ts';
import type { SessionJournal } from '../sessions/session-journal.ts';
import { TopicAliases } from './topic-aliases.ts';

const STORED: PublishOutcome = { kind: 'stored' };
const NO_PAYLOAD = Buffer.alloc(0);

export interface InboundOptions<Identity> {
  readonly context: EngineContext<Identity>;
  readonly session: Session<Identity>;
  /** Of the session, so they may be older than this connection. */
  readonly qos2: InboundQos2;
  readonly journal: SessionJournal;
  readonly output: ConnectionOutput;
  readonly gate: ReadingGate;
  readonly pass: PublishPass;
  /** The client takes reason strings on acknowledgements and packets of at most these bytes. */
  readonly reasonStrings: boolean;
  readonly clientPacketBytesMax: number;
  /** The connection must end: its publish failed or broke a rule of the host. */
  readonly onEnd: (cause: 'failed' | 'violation', code: ReasonCode, detail: string) => void;
  /** Nothing is in process any more. */
  readonly onIdle: () => void;
}

/**
 * Publishes of one connection on their way to the host. An acknowledgement leaves only after the host has settled its
 * message, and in receive order; what is in process is bounded by count and bytes, over which reading stops.
 *
 * Messages over a publish rate are held, in order and within the same bounds, until the rate lets them go on. Their
 * acknowledgements are so withheld while everything else on the connection is read and answered as ever. What is held
 * when the connection ends, or is to be drained, is let go of: it was never acknowledged.
 */
export class InboundPublishes<Identity> implements PublishOwner {
  readonly #options: InboundOptions<Identity>;
  readonly #version: ProtocolVersion;
  readonly #order = new AckOrder<ReceivedPublish>();
  readonly #qos2: InboundQos2;
  readonly #aliases: TopicAliases;
  #qos0Count = 0;
  #inProcessCount = 0;
  #inProcessBytes = 0;
  /** Part of what is in process, as yet unknown to the host. Null most of the time. */
  #held: ReceivedPublish[] | null = null;
  /** What the first of them waited for. */
  #holdCause: HoldCause = 'own';
  /** QoS 2 messages of this connection whose PUBREC is to come. */
  #answering: Set<number> | null = null;
  #ended = false;

  constructor(options: InboundOptions<Identity>) {
    this.#options = options;
    this.#qos2 = options.qos2;
    this.#version = options.session.protocolVersion;
    this.#aliases = new TopicAliases(options.context.limits.topicAliasMax);
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  get isIdle(): boolean {
    return this.#inProcessCount === 0;
  }

  /** Messages whose answer the host has yet to give. */
  get awaited(): number {
    return this.#inProcessCount - (this.#held?.length ?? 0);
  }

  receive(
    packet: IPublishPacket,
    userProperties: InboundMessage['userProperties'],
    packetBytes: number,
  ): ProtocolFault | null {
    const alias = packet.properties?.topicAlias;
    const topic = alias === undefined ? packet.topic : this.#aliases.resolve(alias, packet.topic);
    if (topic instanceof ProtocolFault) return topic;
    const { qos } = packet;
    const packetId = qos === 0 ? 0 : (packet.messageId as number);
    const received = new ReceivedPublish(this, { packetId, qos, packetBytes });
    if (qos !== 0) {
      const state = qos === 2 ? this.#qos2.stateOf(packetId) : 'new';
      if (state !== 'new') this.#options.context.observer.duplicateSuppressed?.();
      // The PUBREC of the first copy is still to come and answers this one too.
      if (this.#answering?.has(packetId) === true && state === 'logging') return null;
      if (this.#isOverReceiveMaximum(state)) {
        return new ProtocolFault(ReasonCode.receiveMaximumExceeded, 'more publishes in flight than agreed');
      }
      this.#order.add(received);
      if (state === 'unreleased') {
        received.outcome = STORED;
        this.#advance();
        this.#stopWhenFull();
        return null;
      }
      if (qos === 2 && !this.#receiveQos2(received, state)) return null;
    }
    received.message = messageOf(packet, { topic, packetId, userProperties });
    this.#accept(received, received.message);
    return null;
  }

  release(packetId: number): ProtocolFault | null {
    if (this.#qos2.stateOf(packetId) === 'logging') {
      return new ProtocolFault(ReasonCode.protocolError, 'PUBREL before PUBREC');
    }
    const { output, journal, context, session } = this.#options;
    const known = this.#qos2.released(packetId);
    if (known) {
      context.host.released?.(session, packetId);
      // An id that a crash brought back after its PUBCOMP would swallow the next message with it.
      journal.commit(() => output.ack(AckType.pubcomp, packetId));
    } else if (this.#version !== 5) {
      // 3.1.1 has no way to say "unknown", and without a PUBCOMP the client would repeat its PUBREL for ever.
      output.ack(AckType.pubcomp, packetId);
    } else {
      const reasonCode = ReasonCode.packetIdentifierNotFound;
      output.packet(encodeAckWithReason({ type: AckType.pubcomp, packetId, reasonCode, reasonString: null }));
    }
    return null;
  }

  /** The connection is over: what the host still answers is ignored. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.letGoHeld();
    this.#qos2.connectionEnded();
  }

  /** Hands over the next one of those that are held, if it may go on by now. */
  releaseNext(): 'released' | 'waits' | 'empty' {
    const next = this.#held?.[0];
    if (next === undefined) return 'empty';
    if (this.#options.pass.take(next.packetBytes) !== null) return 'waits';
    this.#held?.shift();
    if (this.#held?.length === 0) this.#held = null;
    // The host may close the session over it, and then the rest is let go of.
    this.#handOver(next);
    return 'released';
  }

  isOverRateTooLong(nowMs: number): boolean {
    const { pass, context } = this.#options;
    const { overRateMsMax = 0 } = context.limits;
    return overRateMsMax > 0 && pass.overForMs(nowMs) >= overRateMsMax;
  }

  /** Forgets what is held as if it had never come: the client still has it, unless it is QoS 0. */
  letGoHeld(): void {
    const held = this.#held;
    const { context, pass, session } = this.#options;
    this.#held = null;
    pass.leave();
    for (const { packetId, qos, packetBytes, message } of held ?? []) {
      this.#inProcessCount -= 1;
      this.#inProcessBytes -= packetBytes;
      if (qos === 0) this.#qos0Count -= 1;
      if (qos === 2) this.#qos2.settled(packetId, false);
      context.observer.publishLetGo?.(qos);
      if (message !== null) context.host.letGo?.(session, message);
    }
  }

  #isOverReceiveMaximum(state: 'new' | 'logging' | 'unreleased'): boolean {
    if (this.#version !== 5) return false;
    // A repeated message already has its place in the count.
    const held = this.#order.size + this.#qos2.unreleasedCount - (state === 'unreleased' ? 1 : 0);
    return held >= this.#options.context.limits.receiveMax;
  }

  /** False for a copy of a message that the host has already: its answer is this one's too. */
  #receiveQos2(received: ReceivedPublish, state: 'new' | 'logging'): boolean {
    const { packetId } = received;
    this.#answering ??= new Set();
    this.#answering.add(packetId);
    const answer: AnswerQos2 = (outcome) => this.#answerQos2(received, outcome);
    if (state === 'logging') this.#qos2.adopt(packetId, answer);
    else this.#qos2.received(packetId, answer);
    return state === 'new';
  }

  #accept(received: ReceivedPublish, { qos, payload }: InboundMessage): void {
    const { context, pass } = this.#options;
    context.observer.publishReceived?.(qos, payload.length);
    if (qos === 0) this.#qos0Count += 1;
    this.#inProcessCount += 1;
    this.#inProcessBytes += received.packetBytes;
    this.#stopWhenFull();
    // What came earlier goes first.
    if (this.#held !== null) {
      context.observer.publishHeld?.(qos, this.#holdCause);
      return void this.#held.push(received);
    }
    const cause = pass.take(received.packetBytes);
    if (cause === null) return this.#handOver(received);
    this.#holdCause = cause;
    this.#held = [received];
    context.observer.publishHeld?.(qos, cause);
    context.paced.add(this);
  }

  #handOver(received: ReceivedPublish): void {
    const { context, session } = this.#options;
    const { message } = received;
    if (message === null) return;
    received.message = null;
    let answer: Promise<PublishOutcome> | null;
    try {
      answer = context.host.publish(session, message, received);
    } catch (error) {
      answer = Promise.reject(error);
    }
    if (answer === null) return;
    answer.then(
      (outcome) => received.settle(outcome),
      (error: unknown) => {
        context.observer.hostFailed?.('publish', error);
        received.settle({ kind: 'failed', detail: 'internal error' });
      },
    );
  }

  settled(received: ReceivedPublish, outcome: PublishOutcome): void {
    const { qos } = received;
    this.#inProcessCount -= 1;
    this.#inProcessBytes -= received.packetBytes;
    this.#options.context.observer.publishSettled?.(qos, outcome.kind);
    if (qos === 0) this.#qos0Count -= 1;
    if (qos === 2) this.#qos2.answered(received.packetId, outcome);
    if (this.#ended) return;
    if (qos === 1) {
      received.outcome = outcome;
      this.#advance();
    } else if (qos === 0 && outcome.kind === 'violation') {
      this.#options.onEnd('violation', violationCode(outcome.reason), outcome.detail);
    }
    // A QoS 0 message that could not be stored is shed: it has no acknowledgement that could be withheld.
    if (this.#ended) return;
    const { gate } = this.#options;
    if (this.awaited === 0) gate.release(StopReason.gathering);
    if (this.#hasRoom()) gate.release(StopReason.inbound);
    if (this.#inProcessCount === 0) this.#options.onIdle();
  }

  /** The message may have come on an older connection, and this one may be over itself. */
  #answerQos2(pending: ReceivedPublish, outcome: PublishOutcome): void {
    const { journal } = this.#options;
    const { packetId } = pending;
    const keeps = outcome.kind === 'stored' || (outcome.kind === 'refused' && this.#version !== 5);
    if (this.#ended) {
      this.#qos2.settled(packetId, keeps);
      return journal.changed();
    }
    const settle = (): void => {
      if (this.#ended) return;
      pending.outcome = outcome;
      this.#advance();
    };
    if (!keeps) return settle();
    this.#qos2.recorded(packetId);
    journal.commit(settle);
  }

  #advance(): void {
    for (;;) {
      const next = this.#order.takeSettled();
      if (next === null) return;
      const { outcome } = next;
      if (outcome.kind === 'failed') {
        // 0x83 is the nearest DISCONNECT code that does not blame the client.
        return this.#options.onEnd('failed', ReasonCode.implementationSpecificError, outcome.detail);
      }
      if (outcome.kind === 'violation') {
        return this.#options.onEnd('violation', violationCode(outcome.reason), outcome.detail);
      }
      this.#acknowledge(next, outcome);
    }
  }

  #acknowledge(pending: ReceivedPublish, outcome: Extract<PublishOutcome, { kind: 'stored' | 'refused' }>): void {
    const { output } = this.#options;
    const type = pending.qos === 1 ? AckType.puback : AckType.pubrec;
    const refused = outcome.kind === 'refused' && this.#version === 5;
    if (pending.qos === 2) {
      this.#answering?.delete(pending.packetId);
      this.#qos2.settled(pending.packetId, !refused);
    }
    if (outcome.kind === 'stored') {
      if (outcome.hasNoSubscribers !== true || this.#version !== 5) return output.ack(type, pending.packetId);
      const reasonCode = ReasonCode.noMatchingSubscribers;
      const { packetId } = pending;
      return output.packet(encodeAckWithReason({ type, packetId, reasonCode, reasonString: null }));
    }
    if (!refused) return output.ack(type, pending.packetId);
    output.packet(this.#encodeRefusal(type, pending.packetId, outcome));
  }

  #encodeRefusal(type: AckType, packetId: number, outcome: Extract<PublishOutcome, { kind: 'refused' }>): Buffer {
    const reasonCode = publishRefusalCodes[outcome.reason];
    const { reasonStrings, clientPacketBytesMax } = this.#options;
    if (reasonStrings) {
      const explained = encodeAckWithReason({ type, packetId, reasonCode, reasonString: outcome.detail });
      if (explained.length <= clientPacketBytesMax) return explained;
    }
    return encodeAckWithReason({ type, packetId, reasonCode, reasonString: null });
  }

  /** In MQTT 5 the client keeps to the receive maximum by itself, so only QoS 0 is counted against reading. */
  #countHeld(): number {
    return this.#version === 5 ? this.#qos0Count : this.#qos0Count + this.#order.size;
  }

  #stopWhenFull(): void {
    const { gate, context } = this.#options;
    const { receiveMax, inboundBytesMax } = context.limits;
    const isFull = this.#countHeld() >= receiveMax || this.#inProcessBytes >= inboundBytesMax;
    // With nothing in process nothing would let it be read again.
    if (!isFull && (this.#inProcessCount === 0 || !context.pressure.isHigh)) return;
    if (!gate.holds(StopReason.inbound)) context.observer.readingStopped?.(isFull ? 'inbound' : 'pressure');
    gate.stop(StopReason.inbound);
  }

  /** Half of the limit, so that a connection at its limit does not stop and go with every message. */
  #hasRoom(): boolean {
    const { context } = this.#options;
    const { receiveMax, inboundBytesMax } = context.limits;
    if (this.#inProcessCount > 0 && context.pressure.isHigh) return false;
    return this.#countHeld() * 2 <= receiveMax && this.#inProcessBytes * 2 <= inboundBytesMax;
  }
}

function messageOf(
  packet: IPublishPacket,
  read: Pick<InboundMessage, 'topic' | 'packetId' | 'userProperties'>,
): InboundMessage {
  const { topic, packetId, userProperties } = read;
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : (packet.payload ?? NO_PAYLOAD);
  const { qos, dup, retain, properties } = packet;
  const plain = { topic, payload, qos, dup, retain, packetId, contentType: null, userProperties };
  return properties === undefined ? plain : { ...plain, ...toMessageProperties(properties) };
}
