import type { SessionSnapshot, StoredMessage } from '@breakwater/mqtt-endpoint';
import type { Incarnation } from '@breakwater/twin';

import type { PacketRelease } from '../resend-memory.ts';
import { ByteReader, BytesDamaged } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

/** An MQTT session with what the gateway must know of it beside the engine's part. */
export interface KeptSession {
  /** The life of the device that it belongs to: the next one never gets it. */
  readonly incarnation: Incarnation;
  /** The connection that it began with; a message of any since then may be sent again. */
  readonly firstEpoch: number;
  readonly releases: readonly PacketRelease[];
  readonly snapshot: SessionSnapshot;
}

export type DecodedSession =
  | { readonly kind: 'session'; readonly session: KeptSession }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** Raised with every change of the layout below. A gateway reads no other version: the device gets a new session. */
const VERSION = 1;

const PACKET_ID_MAX = 0xffff;
const STATES = ['queued', 'sent', 'released'] as const;
const ATTACHED = 1;
const EXPIRES = 2;
const SESSION_BITS = ATTACHED | EXPIRES;

const MessageBit = {
  qos2: 1,
  retain: 2,
  expires: 4,
  isText: 8,
  isNoText: 16,
  contentType: 32,
  responseTopic: 64,
  correlationData: 128,
} as const;

export function encodeKeptSession({ incarnation, firstEpoch, releases, snapshot }: KeptSession): Buffer {
  const writer = new ByteWriter();
  const { expiresInMs, isAttached } = snapshot;
  writer.byte(VERSION);
  writer.byte((isAttached ? ATTACHED : 0) | (expiresInMs === null ? 0 : EXPIRES));
  for (const number of [incarnation, firstEpoch, snapshot.savedAtMs, expiresInMs ?? 0]) writer.count(whole(number));
  writer.count(snapshot.lastPacketId);
  writer.list(snapshot.subscriptions, ([filter, qos]) => {
    writer.text(filter);
    writer.byte(qos);
  });
  writer.list(snapshot.receivedIds, (packetId) => writer.count(packetId));
  writer.list(releases, ({ packetId, appendedAtMs }) => {
    writer.count(packetId);
    writer.count(whole(appendedAtMs));
  });
  writer.list(snapshot.messages, (message) => writeMessage(writer, message));
  return writer.done();
}

/** Strict: what this version would not have written is unreadable. */
export function decodeKeptSession(bytes: Uint8Array): DecodedSession {
  try {
    const reader = new ByteReader(bytes);
    const version = reader.byte();
    if (version !== VERSION) return { kind: 'unreadable', detail: `version ${version}, and ${VERSION} is known` };
    const session = readSession(reader);
    reader.end();
    return { kind: 'session', session };
  } catch (error) {
    if (error instanceof BytesDamaged) return { kind: 'unreadable', detail: error.message };
    throw error;
  }
}

function readSession(reader: ByteReader): KeptSession {
  const bits = within(reader.byte(), SESSION_BITS);
  const incarnation = reader.count() as Incarnation;
  const firstEpoch = reader.count();
  const savedAtMs = reader.count();
  const expiresInMs = reader.count();
  const lastPacketId = within(reader.count(), PACKET_ID_MAX);
  const subscriptions = reader.list(() => [reader.text(), qualityOf(reader.byte())] as const);
  const receivedIds = reader.list(() => packetIdOf(reader.count()));
  const releases = reader.list(() => ({ packetId: packetIdOf(reader.count()), appendedAtMs: reader.count() }));
  const messages = reader.list(() => readMessage(reader));
  const isAttached = (bits & ATTACHED) !== 0;
  const left = (bits & EXPIRES) === 0 ? null : expiresInMs;
  const snapshot = { savedAtMs, isAttached, expiresInMs: left, subscriptions, receivedIds, lastPacketId, messages };
  return { incarnation, firstEpoch, releases, snapshot };
}

function writeMessage(writer: ByteWriter, message: StoredMessage): void {
  const { contentType = null, responseTopic = null, correlationData = null, userProperties = [] } = message;
  const isText = message.payloadFormatIndicator;
  writer.byte(
    (message.qos === 2 ? MessageBit.qos2 : 0) |
      (message.retain ? MessageBit.retain : 0) |
      (message.expiresInMs === null ? 0 : MessageBit.expires) |
      (isText === true ? MessageBit.isText : 0) |
      (isText === false ? MessageBit.isNoText : 0) |
      (contentType === null ? 0 : MessageBit.contentType) |
      (responseTopic === null ? 0 : MessageBit.responseTopic) |
      (correlationData === null ? 0 : MessageBit.correlationData),
  );
  writer.byte(STATES.indexOf(message.state));
  writer.count(message.packetId);
  if (message.expiresInMs !== null) writer.count(whole(message.expiresInMs));
  writer.text(message.topic);
  writer.bytes(message.payload);
  if (contentType !== null) writer.text(contentType);
  if (responseTopic !== null) writer.text(responseTopic);
  if (correlationData !== null) writer.bytes(correlationData);
  writer.list(userProperties, ([name, value]) => {
    writer.text(name);
    writer.text(value);
  });
}

function readMessage(reader: ByteReader): StoredMessage {
  const bits = reader.byte();
  const has = (bit: number): boolean => (bits & bit) !== 0;
  const state = STATES[reader.byte()];
  if (state === undefined) throw new BytesDamaged('a message has no known state');
  const packetId = within(reader.count(), PACKET_ID_MAX);
  if ((packetId === 0) !== (state === 'queued')) throw new BytesDamaged('a message has no fitting packet id');
  const expiresInMs = has(MessageBit.expires) ? reader.count() : null;
  const topic = reader.text();
  const payload = reader.bytes();
  const contentType = has(MessageBit.contentType) ? { contentType: reader.text() } : {};
  const responseTopic = has(MessageBit.responseTopic) ? { responseTopic: reader.text() } : {};
  const correlationData = has(MessageBit.correlationData) ? { correlationData: reader.bytes() } : {};
  const pairs = reader.list(() => [reader.text(), reader.text()] as const);
  const isText = has(MessageBit.isText);
  return {
    topic,
    payload,
    qos: has(MessageBit.qos2) ? 2 : 1,
    retain: has(MessageBit.retain),
    packetId,
    state,
    expiresInMs,
    ...(isText || has(MessageBit.isNoText) ? { payloadFormatIndicator: isText } : {}),
    ...contentType,
    ...responseTopic,
    ...correlationData,
    ...(pairs.length > 0 ? { userProperties: pairs } : {}),
  };
}

/** The engine's clock has fractions, and what has just run out has nothing left. */
function whole(value: number): number {
  return Math.max(0, Math.ceil(value));
}

function within(value: number, max: number): number {
  if (value > max) throw new BytesDamaged('a number is too large for its place');
  return value;
}

function packetIdOf(value: number): number {
  if (value === 0) throw new BytesDamaged('a packet id is 0');
  return within(value, PACKET_ID_MAX);
}

function qualityOf(value: number): 0 | 1 | 2 {
  if (value === 0 || value === 1 || value === 2) return value;
  throw new BytesDamaged('a filter has no known QoS');
}
