import { crc32 } from 'node:zlib';

import type { InboundMessage, PublishOutcome, PublishRefusal, Session } from '@breakwater/mqtt-endpoint';
import type { Clock, Lane } from '@breakwater/twin-runtime';
import { encodeRecord, type ErrorCode, LIMITS, type RecordMessage } from '@breakwater/wire';

import type { AppendBatcher } from './append/append-batcher.ts';
import type { AppendOutcome } from './append/lane-queue.ts';
import { classify, type Classified } from './classify/classify.ts';
import { cutToBytes } from './classify/cut-to-bytes.ts';
import type { GatewayMetrics, ShedReason } from './gateway-metrics.ts';
import type { DeadLetterQuota } from './session/dead-letter-quota.ts';
import type { DeviceSession } from './session/device-session.ts';
import type { PreviousSessionReader } from './session/previous-session-reader.ts';
import type { MessageMark } from './session/resend-memory.ts';

export interface MessageIntakeOptions {
  readonly batcher: AppendBatcher;
  readonly previousSessions: PreviousSessionReader;
  readonly deadLetterQuota: DeadLetterQuota;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  /** A device wrote to a topic that is not its own, or for a device that is not its child. */
  readonly onForeignTopic: (session: Session<DeviceSession>, topic: string) => void;
  readonly recordBytesMax: number;
}

/** A message with everything that is known of it on arrival. */
interface Arrival {
  readonly session: Session<DeviceSession>;
  readonly message: InboundMessage;
  readonly classified: Classified;
  readonly receivedAtMs: number;
  readonly mark: MessageMark;
}

/** What is known of a message whose meaning was read elsewhere. */
export interface ReadMessage {
  readonly classified: Classified;
  readonly receivedAtMs: number;
  /** As `digestOf` makes it: of the message as it came, so that a part of it has that of the whole. */
  readonly digest: number;
}

interface OutgoingRecord {
  readonly lane: Lane;
  readonly line: string;
  readonly arrival: Arrival;
}

const DETAIL_BYTES_MAX = 1_024;
const SENDER_BYTES_MAX = 512;
const NOT_KEPT = ' (its bytes are not kept: too large, or over the quota of the device)';

const STORED: PublishOutcome = { kind: 'stored' };
const QUALITY_LABELS = ['0', '1', '2'] as const;

const REFUSALS: Partial<Record<ErrorCode, PublishRefusal>> = {
  TOPIC_NOT_OWN: 'notAuthorized',
  TOPIC_UNKNOWN: 'topicNameInvalid',
  NOT_A_GATEWAY: 'notAuthorized',
  CHILD_REFUSED: 'notAuthorized',
  CHILDREN_LIMIT: 'quotaExceeded',
  // MQTT 5 has no "too large" for a PUBACK.
  PAYLOAD_TOO_LARGE: 'implementationSpecific',
};

/**
 * The way of a message from the socket into the log. It is answered `stored` only when its record, or the record of its
 * first sending, is durable; a message that cannot be used is answered only when its dead letter is, with its bytes or,
 * over the quota, without them. Messages of a session enter the log in the order in which they came, and none after one
 * that failed.
 */
export class MessageIntake {
  readonly #options: MessageIntakeOptions;

  constructor(options: MessageIntakeOptions) {
    this.#options = options;
  }

  /** Written with few promises: this is the one path that every message takes. */
  take(session: Session<DeviceSession>, message: InboundMessage): Promise<PublishOutcome> {
    const receivedAtMs = this.#options.clock.nowMs();
    const { device, profile } = session.identity.device;
    const sender = { device, payloadFormat: profile.payloadFormat };
    const classified = classify(message, sender, receivedAtMs);
    return this.takeRead(session, message, { classified, receivedAtMs, digest: digestOf(message) });
  }

  /** Takes what was read already. A dead letter keeps the payload of `message`. */
  takeRead(session: Session<DeviceSession>, message: InboundMessage, read: ReadMessage): Promise<PublishOutcome> {
    const device = session.identity;
    const arrival = this.#arrival(session, message, read);
    const kind = arrival.classified.kind === 'good' ? arrival.classified.message.kind : 'deadLetter';
    this.#options.metrics.messages.inc({ kind, qos: QUALITY_LABELS[message.qos] });
    if (device.gate === null && !this.#needsTail(arrival)) return this.#enter(arrival);
    return this.#enterInTurn(device, arrival);
  }

  /** A message that its rate kept waiting until its connection ended. With an acknowledgement it will come again. */
  letGo(session: Session<DeviceSession>, message: InboundMessage): void {
    if (message.qos === 0) this.#shed(session, 'rate');
  }

  #shed(session: Session<DeviceSession>, reason: ShedReason): void {
    this.#options.metrics.shed.inc({ class: 'qos0', reason, tenant: session.identity.tenantShare.label });
  }

  #arrival(session: Session<DeviceSession>, message: InboundMessage, read: ReadMessage): Arrival {
    const { classified, receivedAtMs, digest } = read;
    const mark: MessageMark = {
      sessionEpoch: session.identity.sessionEpoch,
      packetId: message.qos > 0 ? message.packetId : 0,
      digest,
      messageId: classified.kind === 'good' ? classified.messageId : '',
    };
    return { session, message, classified, receivedAtMs, mark };
  }

  /** Only a message that may have been sent in the previous session asks for what that session left in the log. */
  #needsTail(arrival: Arrival): boolean {
    return !arrival.session.identity.memory.isWhole && this.#tailsNeeded(arrival).length > 0;
  }

  /** A packet id may have been given to a message of the other lane since; an id is in one lane only. */
  #tailsNeeded({ session, message, classified, mark }: Arrival): readonly Lane[] {
    const unread = [...session.identity.memory.unreadLanes];
    if (message.dup && mark.packetId !== 0) return unread;
    return mark.messageId === '' ? [] : unread.filter((lane) => lane === laneOf(classified));
  }

  /** Waits for the messages before it, and for the tail if it needs that; those behind it wait until it has entered. */
  async #enterInTurn(device: DeviceSession, arrival: Arrival): Promise<PublishOutcome> {
    const entered = (device.gate ?? Promise.resolve()).then(async () => {
      for (const lane of this.#tailsNeeded(arrival)) if (!device.broken) await this.#readTail(device, lane);
      // The answer is wrapped, or the gate would wait for it too.
      return { outcome: this.#enter(arrival) };
    });
    const gate = entered.catch(() => undefined);
    device.gate = gate;
    void gate.then(() => {
      if (device.gate === gate) device.gate = null;
    });
    const { outcome } = await entered;
    return outcome;
  }

  async #readTail(device: DeviceSession, lane: Lane): Promise<void> {
    const done = device.memory.beginRead(lane);
    try {
      const marks = await this.#options.previousSessions.marksOf(
        { key: device.key, incarnation: device.device.incarnation, partition: device.partition },
        lane,
      );
      done(marks);
    } catch {
      // Whether the message is in the log cannot be said: its connection ends without an answer, and it comes again.
      device.broken = true;
    }
  }

  #enter(arrival: Arrival): Promise<PublishOutcome> {
    const { identity: device } = arrival.session;
    if (device.broken) return Promise.resolve({ kind: 'failed', detail: 'a message before this one was not stored' });
    const { previousEpoch } = device;
    const known = device.memory.find(arrival.mark, { dup: arrival.message.dup, previousEpoch });
    if (known === null) return this.#append(arrival);
    this.#options.metrics.resends.inc();
    if (known === 'durable') return Promise.resolve(this.#finish(arrival, { kind: 'durable', appendedAtMs: 0 }));
    return known.then((outcome) => this.#finish(arrival, outcome));
  }

  #append(arrival: Arrival): Promise<PublishOutcome> {
    const { session, message, mark } = arrival;
    const { memory, partition, tenantShare: share } = session.identity;
    const record = this.#recordOf(arrival);
    const appendClass = message.qos === 0 ? 'mayBeShed' : 'keep';
    const appended = this.#options.batcher.append({ lane: record.lane, partition, share }, record.line, appendClass);
    memory.appending(mark, appended);
    return appended.then((outcome) => {
      memory.settled(mark, appended, outcome);
      return this.#finish(record.arrival, outcome);
    });
  }

  #finish(arrival: Arrival, outcome: AppendOutcome): PublishOutcome {
    const { metrics, clock } = this.#options;
    // Nobody waits for an answer to QoS 0: what is not stored is counted, and the connection goes on.
    if (arrival.message.qos === 0) {
      if (outcome.kind !== 'durable')
        this.#shed(arrival.session, outcome.kind === 'shed' ? outcome.reason : 'notStored');
      return this.#answer(arrival);
    }
    if (outcome.kind !== 'durable') {
      arrival.session.identity.broken = true;
      return { kind: 'failed', detail: outcome.kind === 'failed' ? outcome.detail : 'the gateway is overloaded' };
    }
    metrics.acknowledgeSeconds.observe((clock.nowMs() - arrival.receivedAtMs) / 1000);
    return this.#answer(arrival);
  }

  #answer({ session, classified }: Arrival): PublishOutcome {
    if (classified.kind === 'good') return STORED;
    const reason = REFUSALS[classified.code] ?? 'payloadFormatInvalid';
    const detail = `${classified.code}: ${classified.detail}`;
    // Before MQTT 5 there is no negative answer: who writes to another device's topic is told by the end of it.
    if (classified.code === 'TOPIC_NOT_OWN' && session.protocolVersion < 5)
      return { kind: 'violation', reason, detail };
    return { kind: 'refused', reason, detail };
  }

  #recordOf(arrival: Arrival): OutgoingRecord {
    const { classified } = arrival;
    if (classified.kind === 'dead') return this.#deadLetterOf(arrival, classified);
    const line = this.#encode(arrival, classified.message);
    if (Buffer.byteLength(line) <= this.#options.recordBytesMax) return { lane: classified.lane, line, arrival };
    const dead = {
      kind: 'dead',
      code: 'PAYLOAD_TOO_LARGE',
      detail: 'its escaped form is larger than a record may be',
    } as const;
    return this.#deadLetterOf({ ...arrival, classified: dead }, dead);
  }

  /** Over the quota of its device a dead letter keeps who, when, where and why: only its bytes are left out. */
  #deadLetterOf(arrival: Arrival, { code, detail }: Extract<Classified, { kind: 'dead' }>): OutgoingRecord {
    const { session, message, receivedAtMs } = arrival;
    const { metrics, deadLetterQuota, recordBytesMax } = this.#options;
    metrics.rejected.inc({ reason: code });
    if (FOREIGN_CODES.has(code)) this.#options.onForeignTopic(session, foreignTopicOf(message.topic, code, detail));
    const letter = {
      kind: 'deadLetter',
      code,
      detail: cutToBytes(detail, DETAIL_BYTES_MAX),
      topic: cutToBytes(message.topic, LIMITS.topicBytesMax),
      payloadBase64: Buffer.from(message.payload.subarray(0, LIMITS.payloadBytesMax)).toString('base64'),
      sender: cutToBytes(`${session.clientId}@${session.remoteAddress}`, SENDER_BYTES_MAX),
    } as const;
    const line = this.#encode(arrival, letter);
    const bytes = Buffer.byteLength(line);
    if (bytes <= recordBytesMax && deadLetterQuota.take(session.identity.key, bytes, receivedAtMs)) {
      return { lane: 'telemetry', line, arrival };
    }
    metrics.deadLettersNotKept.inc();
    const withoutBytes = { ...letter, detail: `${letter.detail}${NOT_KEPT}`, payloadBase64: '' };
    return { lane: 'telemetry', line: this.#encode(arrival, withoutBytes), arrival };
  }

  #encode({ session, mark, receivedAtMs }: Arrival, message: RecordMessage): string {
    const { device, sessionEpoch } = session.identity;
    return encodeRecord({
      tenant: device.tenant,
      device: device.device,
      incarnation: device.incarnation,
      sessionEpoch,
      packetId: mark.packetId,
      digest: mark.digest,
      messageId: mark.messageId,
      receivedAtMs,
      traceparent: '',
      message,
    });
  }
}

const FOREIGN_CODES = new Set<ErrorCode>(['TOPIC_NOT_OWN', 'NOT_A_GATEWAY', 'CHILD_REFUSED']);

/** The topics of gateway devices do not name whom they are about; the reason does. */
function foreignTopicOf(topic: string, code: ErrorCode, detail: string): string {
  return code === 'CHILD_REFUSED' ? `${topic} ${cutToBytes(detail, DETAIL_BYTES_MAX)}` : topic;
}

/** CRC-32 of topic and payload: with the packet id it recognises a resend. */
export function digestOf({ topic, payload }: InboundMessage): number {
  return crc32(payload, crc32(topic));
}

function laneOf(classified: Classified): Lane {
  return classified.kind === 'good' ? classified.lane : 'telemetry';
}
