import { crc32 } from 'node:zlib';

import type { InboundMessage, PublishAnswer, PublishOutcome, PublishRefusal, Session } from '@breakwater/mqtt-endpoint';
import type { Clock, Lane } from '@breakwater/twin-runtime';
import {
  encodeRecord,
  type ErrorCode,
  type FlatPoint,
  LIMITS,
  type RecordMessage,
  TelemetryLineWriter,
} from '@breakwater/wire';

import type { AppendBatcher } from './append/append-batcher.ts';
import { AppendingMessage, type Unanswered } from './append/appending-message.ts';
import type { AppendOutcome } from './append/lane-queue.ts';
import { classify, type Classified } from './classify/classify.ts';
import { FlatTelemetryReader } from './classify/flat-telemetry-reader.ts';
import { cutToBytes } from './classify/cut-to-bytes.ts';
import type { GatewayMetrics, ShedReason } from './gateway-metrics.ts';
import type { RefusalTally } from './protection/refusal-tally.ts';
import type { DeadLetterQuota } from './session/dead-letter-quota.ts';
import type { DeviceSession } from './session/device-session.ts';
import type { PreviousSessionReader } from './session/previous-session-reader.ts';
import type { MessageMark } from './session/resend-memory.ts';

export interface MessageIntakeOptions {
  readonly batcher: AppendBatcher;
  readonly previousSessions: PreviousSessionReader;
  readonly deadLetterQuota: DeadLetterQuota;
  readonly clock: Clock;
  readonly refusals: Pick<RefusalTally, 'count'>;
  readonly metrics: GatewayMetrics;
  /** A device wrote to a topic that is not its own, or for a device that is not its child. */
  readonly onForeignTopic: (session: Session<DeviceSession>, topic: string) => void;
  readonly recordBytesMax: number;
}

interface Came {
  readonly session: Session<DeviceSession>;
  readonly message: InboundMessage;
  readonly answer: PublishAnswer;
}

/** A message with everything that is known of it on arrival. */
interface Arrival extends Came {
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
  readonly dead: Unanswered['dead'];
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
  readonly #flatReader = new FlatTelemetryReader();
  readonly #lineWriter = new TelemetryLineWriter();
  readonly #finisher = {
    finish: (message: Unanswered, outcome: AppendOutcome): PublishOutcome => this.#finish(message, outcome),
  };

  constructor(options: MessageIntakeOptions) {
    this.#options = options;
  }

  /**
   * Answers null, and settles the answer later; or answers at once with what is known already. This is the one path
   * that every message takes, so nothing is made in it that outlives the call, but for one object.
   */
  take(
    session: Session<DeviceSession>,
    message: InboundMessage,
    answer: PublishAnswer,
  ): Promise<PublishOutcome> | null {
    const receivedAtMs = this.#options.clock.nowMs();
    const came = { session, message, answer };
    const flat = this.#readFlat(session.identity, message, receivedAtMs);
    if (flat !== null && this.#takeFlat(came, flat, receivedAtMs)) return null;
    const { device, profile } = session.identity.device;
    const sender = { device, payloadFormat: profile.payloadFormat };
    const classified = classify(message, sender, receivedAtMs);
    return this.#take(this.#arrival(came, { classified, receivedAtMs, digest: digestOf(message) }));
  }

  /** Nearly every message is such a one, and nearly none that is waits for what came before it. */
  #readFlat(device: DeviceSession, message: InboundMessage, receivedAtMs: number): FlatPoint | null {
    if (device.gate !== null || device.broken || message.dup) return null;
    const { payload, contentType, userProperties } = message;
    if (contentType !== null || userProperties.length > 0 || !Buffer.isBuffer(payload)) return null;
    const { profile } = device.device;
    if (profile.payloadFormat !== 'auto' && profile.payloadFormat !== 'json') return null;
    return device.telemetry.isTopic(message.topic, device.device) ? this.#flatReader.read(payload, receivedAtMs) : null;
  }

  /** False when it is to be taken in the general way: it may be in the log already, or there is no room. */
  #takeFlat({ session, message, answer }: Came, point: FlatPoint, receivedAtMs: number): boolean {
    const { identity: device } = session;
    const { memory, telemetry, sessionEpoch } = device;
    const messageId = idOf(point);
    if (messageId !== '' && !memory.isRead('telemetry')) return false;
    const { qos, payload } = message;
    const digest = crc32(payload, telemetry.topicDigest);
    const mark = { sessionEpoch, packetId: qos > 0 ? message.packetId : 0, digest, messageId };
    if (memory.find(mark, { dup: false, previousEpoch: device.previousEpoch }) !== null) return false;
    const { tenant, device: id, incarnation } = device.device;
    const head = telemetry.headOf(point.tsMs, { tenant, device: id, incarnation, sessionEpoch });
    const line = this.#lineWriter.write(head, { packetId: mark.packetId, digest, receivedAtMs }, point);
    const appending = new AppendingMessage(this.#finisher, { session, answer, mark, qos, receivedAtMs, dead: null });
    if (this.#enqueue(appending, 'telemetry', line) !== null) return false;
    this.#options.metrics.messages.inc({ kind: 'telemetry', qos: QUALITY_LABELS[qos] });
    return true;
  }

  /** Takes what was read already. A dead letter keeps the payload of `message`. */
  takeRead(session: Session<DeviceSession>, message: InboundMessage, read: ReadMessage): Promise<PublishOutcome> {
    return new Promise((settle) => {
      const known = this.#take(this.#arrival({ session, message, answer: { settle } }, read));
      if (known !== null) settle(known);
    });
  }

  #take(arrival: Arrival): Promise<PublishOutcome> | null {
    const { message, classified } = arrival;
    const device = arrival.session.identity;
    const kind = classified.kind === 'good' ? classified.message.kind : 'deadLetter';
    this.#options.metrics.messages.inc({ kind, qos: QUALITY_LABELS[message.qos] });
    if (device.gate === null && !this.#needsTail(arrival)) return this.#enter(arrival);
    return this.#enterInTurn(device, arrival);
  }

  /** A message that its rate kept waiting until its connection ended. With an acknowledgement it will come again. */
  letGo(session: Session<DeviceSession>, message: InboundMessage): void {
    if (message.qos === 0) this.#shed(session, 'rate');
  }

  #shed(session: Session<DeviceSession>, reason: ShedReason): void {
    const { tenantShare, device } = session.identity;
    this.#options.metrics.shed.inc({ class: 'qos0', reason, tenant: tenantShare.label });
    this.#options.refusals.count(device.tenant, `shed.${reason}`);
  }

  #arrival(came: Came, read: ReadMessage): Arrival {
    const { classified, receivedAtMs, digest } = read;
    const { session, message, answer } = came;
    const mark: MessageMark = {
      sessionEpoch: session.identity.sessionEpoch,
      packetId: message.qos > 0 ? message.packetId : 0,
      digest,
      messageId: classified.kind === 'good' ? classified.messageId : '',
    };
    return { session, message, classified, receivedAtMs, mark, answer };
  }

  /** Only a message that may have been sent in the previous session asks for what that session left in the log. */
  #needsTail(arrival: Arrival): boolean {
    const { memory, broken } = arrival.session.identity;
    return !broken && !memory.isWhole && this.#tailsNeeded(arrival).length > 0;
  }

  /** A packet id may have been given to a message of the other lane since; an id is in one lane only. */
  #tailsNeeded({ session, message, classified, mark }: Arrival): readonly Lane[] {
    const unread = session.identity.memory.unreadLanes;
    if (message.dup && mark.packetId !== 0) return unread;
    return mark.messageId === '' ? [] : unread.filter((lane) => lane === laneOf(classified));
  }

  /** Waits for the messages before it, and for the tail if it needs that; those behind it wait until it has entered. */
  #enterInTurn(device: DeviceSession, arrival: Arrival): Promise<PublishOutcome> {
    return new Promise((settle, fail) => {
      const waiting = { ...arrival, answer: { settle } };
      const entered = (device.gate ?? Promise.resolve()).then(async () => {
        for (const lane of this.#tailsNeeded(waiting)) if (!device.broken) await this.#readTail(device, lane);
        // Not waited for, or those behind would wait for its answer too.
        this.#enter(waiting)?.then(settle, fail);
      });
      const gate = entered.catch(fail);
      device.gate = gate;
      void gate.then(() => {
        if (device.gate === gate) device.gate = null;
      });
    });
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

  #enter(arrival: Arrival): Promise<PublishOutcome> | null {
    const { identity: device } = arrival.session;
    if (device.broken) return Promise.resolve({ kind: 'failed', detail: 'a message before this one was not stored' });
    const { previousEpoch } = device;
    const known = device.memory.find(arrival.mark, { dup: arrival.message.dup, previousEpoch });
    if (known === null) return this.#append(arrival);
    this.#options.metrics.resends.inc();
    const { session, message, receivedAtMs, classified } = arrival;
    const dead = classified.kind === 'dead' ? classified : null;
    const unanswered = { session, qos: message.qos, receivedAtMs, dead };
    if (known === 'durable') return Promise.resolve(this.#finish(unanswered, { kind: 'durable', appendedAtMs: 0 }));
    return known.whenSettled().then((outcome) => this.#finish(unanswered, outcome));
  }

  #append(arrival: Arrival): Promise<PublishOutcome> | null {
    const { session, message, mark, receivedAtMs, answer } = arrival;
    const { lane, line, dead } = this.#recordOf(arrival);
    const { qos } = message;
    const appending = new AppendingMessage(this.#finisher, { session, answer, mark, qos, receivedAtMs, dead });
    const refused = this.#enqueue(appending, lane, line);
    return refused === null ? null : Promise.resolve(this.#finish(appending, refused));
  }

  /** Null: it is on its way. */
  #enqueue(appending: AppendingMessage, lane: Lane, line: string | Uint8Array): AppendOutcome | null {
    const { memory, partition, tenantShare: share } = appending.session.identity;
    const appendClass = appending.qos === 0 ? 'mayBeShed' : 'keep';
    const refused = this.#options.batcher.enqueue({ lane, partition, share }, { line, appendClass, waiter: appending });
    if (refused === null) memory.appending(appending);
    return refused;
  }

  #finish(message: Unanswered, outcome: AppendOutcome): PublishOutcome {
    const { metrics, clock } = this.#options;
    // Nobody waits for an answer to QoS 0: what is not stored is counted, and the connection goes on.
    if (message.qos === 0) {
      if (outcome.kind !== 'durable')
        this.#shed(message.session, outcome.kind === 'shed' ? outcome.reason : 'notStored');
      return this.#answer(message);
    }
    if (outcome.kind !== 'durable') {
      message.session.identity.broken = true;
      return { kind: 'failed', detail: outcome.kind === 'failed' ? outcome.detail : 'the gateway is overloaded' };
    }
    metrics.acknowledgeSeconds.observe((clock.nowMs() - message.receivedAtMs) / 1000);
    return this.#answer(message);
  }

  #answer({ session, dead }: Unanswered): PublishOutcome {
    if (dead === null) return STORED;
    const reason = REFUSALS[dead.code] ?? 'payloadFormatInvalid';
    const detail = `${dead.code}: ${dead.detail}`;
    // Before MQTT 5 there is no negative answer: who writes to another device's topic is told by the end of it.
    if (dead.code === 'TOPIC_NOT_OWN' && session.protocolVersion < 5) return { kind: 'violation', reason, detail };
    return { kind: 'refused', reason, detail };
  }

  #recordOf(arrival: Arrival): OutgoingRecord {
    const { classified } = arrival;
    if (classified.kind === 'dead') return this.#deadLetterOf(arrival, classified);
    const line = this.#encode(arrival, classified.message);
    if (Buffer.byteLength(line) <= this.#options.recordBytesMax) return { lane: classified.lane, line, dead: null };
    const dead = {
      kind: 'dead',
      code: 'PAYLOAD_TOO_LARGE',
      detail: 'its escaped form is larger than a record may be',
    } as const;
    return this.#deadLetterOf(arrival, dead);
  }

  /** Over the quota of its device a dead letter keeps who, when, where and why: only its bytes are left out. */
  #deadLetterOf(arrival: Arrival, dead: Extract<Classified, { kind: 'dead' }>): OutgoingRecord {
    const { code, detail } = dead;
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
      return { lane: 'telemetry', line, dead };
    }
    metrics.deadLettersNotKept.inc();
    const withoutBytes = { ...letter, detail: `${letter.detail}${NOT_KEPT}`, payloadBase64: '' };
    return { lane: 'telemetry', line: this.#encode(arrival, withoutBytes), dead };
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

/** The device's own id of the message, or ''. */
function idOf({ source, idStart, idEnd }: FlatPoint): string {
  return idEnd === 0 ? '' : source.toString('latin1', idStart, idEnd);
}

function laneOf(classified: Classified): Lane {
  return classified.kind === 'good' ? classified.lane : 'telemetry';
}
