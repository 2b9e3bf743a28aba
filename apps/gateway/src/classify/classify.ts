import type { DeviceId, JsonObject, JsonValue } from '@breakwater/twin';
import type { Lane, PayloadFormat } from '@breakwater/twin-runtime';
import { type ErrorCode, LIMITS, parseUpTopic, type RecordMessage, type UpTopic } from '@breakwater/wire';

import { readDeviceTime } from './device-time.ts';
import { readCommandProgress, readCommandResponse, readRpcResponse } from './read-command-answer.ts';
import { readAttributesRequest } from './read-attributes-request.ts';
import { PayloadRefused } from './payload-refused.ts';
import { type EncodedPayload, readPayload } from './read-payload.ts';
import { readMessageId, readTelemetry } from './read-telemetry.ts';

/** A message as it came from the device. */
export interface IncomingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly contentType: string | null;
  readonly userProperties: readonly (readonly [string, string])[];
}

/** Who sent it, and what its profile says of its payloads. */
export interface Sender {
  readonly device: DeviceId;
  readonly payloadFormat: PayloadFormat;
}

export type Classified =
  | { readonly kind: 'good'; readonly lane: Lane; readonly message: RecordMessage; readonly messageId: string }
  /** It cannot be used: it is kept as a dead letter, and the device is told why. */
  | { readonly kind: 'dead'; readonly code: ErrorCode; readonly detail: string };

type ReadableMessage = IncomingMessage & EncodedPayload;

const MESSAGE_ID_PROPERTY = 'id';

/**
 * Decides what a message is. Pure, total, and the only place that does: what it calls good is never refused later,
 * and whatever the bytes are, it answers instead of throwing.
 */
export function classify(incoming: IncomingMessage, sender: Sender, receivedAtMs: number): Classified {
  try {
    checkTopicSize(incoming);
    const topic = parseUpTopic(incoming.topic, sender.device);
    if (topic === 'TOPIC_NOT_OWN') throw new PayloadRefused(topic, 'the topic belongs to another device');
    if (topic === 'TOPIC_UNKNOWN') throw new PayloadRefused(topic, 'nothing is sent to this topic');
    checkPayloadSize(incoming);
    return read(topic, { ...incoming, payloadFormat: sender.payloadFormat }, receivedAtMs);
  } catch (error) {
    return deadOf(error);
  }
}

/** Only what the readers refuse is a dead letter; everything else is a fault of ours. */
export function deadOf(error: unknown): Extract<Classified, { kind: 'dead' }> {
  if (!(error instanceof PayloadRefused)) throw error;
  return { kind: 'dead', code: error.code, detail: error.message };
}

/** @throws PayloadRefused */
export function checkTopicSize({ topic }: IncomingMessage): void {
  if (Buffer.byteLength(topic) <= LIMITS.topicBytesMax) return;
  throw new PayloadRefused('TOPIC_UNKNOWN', `the topic is longer than ${LIMITS.topicBytesMax} bytes`);
}

/** @throws PayloadRefused */
export function checkPayloadSize({ payload }: IncomingMessage): void {
  if (payload.byteLength <= LIMITS.payloadBytesMax) return;
  throw new PayloadRefused('PAYLOAD_TOO_LARGE', `${payload.byteLength} bytes are more than ${LIMITS.payloadBytesMax}`);
}

function read(topic: UpTopic, incoming: ReadableMessage, receivedAtMs: number): Classified {
  const givenId = propertyId(incoming.userProperties);
  if (topic.kind === 'telemetry') {
    const { points, messageId } = readTelemetry(readPayload(incoming), receivedAtMs);
    return { kind: 'good', lane: 'telemetry', message: { kind: 'telemetry', points }, messageId: givenId || messageId };
  }
  if (topic.kind === 'event') {
    const message = { kind: 'event', name: topic.name, ...readEvent(incoming, receivedAtMs) } as const;
    return { kind: 'good', lane: 'telemetry', message, messageId: givenId };
  }
  return { kind: 'good', lane: 'control', message: readControl(topic, incoming), messageId: givenId };
}

function readControl(topic: UpTopic, incoming: ReadableMessage): RecordMessage {
  switch (topic.kind) {
    case 'reported':
      return readPatch(readPayload(incoming));
    case 'attributesRequest':
      return readAttributesRequest(topic.requestId, incoming);
    case 'commandProgress':
      return readCommandProgress(topic.commandId, readPayload(incoming));
    case 'commandResponse':
      return readCommandResponse(topic.commandId, readPayload(incoming));
    case 'rpcResponse':
      return readRpcResponse(topic.requestId, readPayload(incoming));
    case 'status':
      return { kind: 'statusReported', detail: readStatus(incoming) };
    default:
      return { kind: 'getTwin' };
  }
}

/** @throws PayloadRefused */
export function readPatch(value: JsonValue): RecordMessage {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PayloadRefused('PATCH_INVALID', 'the reported state is a JSON object');
  }
  // Rest properties are defined, not assigned: a key `__proto__` stays an own property.
  const { $version: version, ...patch } = value as JsonObject;
  if (version === undefined) return { kind: 'reportState', patch };
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) {
    throw new PayloadRefused('PATCH_INVALID', '`$version` is a whole number from 0');
  }
  return { kind: 'reportState', patch, expectedVersion: version };
}

/** `{"ts":ms,"data":…}` names its own time; everything else is the data of an event that happens now. */
function readEvent(incoming: ReadableMessage, receivedAtMs: number): { tsMs: number; data: JsonValue } {
  if (incoming.payload.byteLength === 0) return { tsMs: receivedAtMs, data: null };
  const value = readPayload(incoming);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { ts, data, ...others } = value as JsonObject;
    if (ts !== undefined && data !== undefined && Object.keys(others).length === 0) {
      return { tsMs: readDeviceTime(ts, receivedAtMs).tsMs, data };
    }
  }
  return { tsMs: receivedAtMs, data: value };
}

/** Wills are often plain words such as `offline`: a text that is no JSON is kept as the text that it is. */
function readStatus(incoming: ReadableMessage): JsonValue {
  if (incoming.payload.byteLength === 0) return null;
  try {
    return readPayload(incoming);
  } catch (error) {
    const text = Buffer.from(incoming.payload).toString('utf8');
    if (error instanceof PayloadRefused && isPlainWords(text)) return text;
    throw error;
  }
}

const STATUS_WORDS_PATTERN = /^[\p{L}\p{N} _.:-]{1,128}$/u;

function isPlainWords(text: string): boolean {
  return STATUS_WORDS_PATTERN.test(text);
}

/** @throws PayloadRefused */
export function propertyId(userProperties: IncomingMessage['userProperties']): string {
  for (const [name, value] of userProperties) if (name === MESSAGE_ID_PROPERTY) return readMessageId(value);
  return '';
}
