import type { JsonObject, JsonValue } from '@breakwater/twin';
import type { PayloadFormat } from '@breakwater/twin-runtime';
import { GATEWAY_TOPIC_PREFIX, LIMITS } from '@breakwater/wire';

import {
  checkPayloadSize,
  checkTopicSize,
  type Classified,
  deadOf,
  type IncomingMessage,
  propertyId,
  readPatch,
} from '../classify/classify.ts';
import { PayloadRefused } from '../classify/payload-refused.ts';
import { readChildAttributesRequest } from '../classify/read-attributes-request.ts';
import { readRpcResponse } from '../classify/read-command-answer.ts';
import { readPayload } from '../classify/read-payload.ts';
import { readTelemetry } from '../classify/read-telemetry.ts';

/** What one child says in a message: a message of its own, good or dead without regard to the others. */
export interface ChildMessage {
  readonly child: string;
  readonly classified: Classified;
  /** As it stood in the message, for its dead letter. */
  readonly value: JsonValue;
}

export type GatewayMessage =
  | { readonly kind: 'messages'; readonly messages: readonly ChildMessage[] }
  | { readonly kind: 'connect' | 'disconnect'; readonly child: string }
  /** Nothing of it can be used. */
  | Extract<Classified, { kind: 'dead' }>;

/** Children that one message may speak for. */
const CHILDREN_MAX = 1_000;

/** Reads a message to `v1/gateway/…`. Pure and total: whatever the bytes are, it answers instead of throwing. */
export function readGatewayMessage(
  incoming: IncomingMessage,
  payloadFormat: PayloadFormat,
  receivedAtMs: number,
): GatewayMessage {
  try {
    checkTopicSize(incoming);
    checkPayloadSize(incoming);
    // The names of the children are a level of their own.
    const readValue = (): JsonValue => readPayload({ ...incoming, payloadFormat }, LIMITS.jsonDepthMax + 1);
    const givenId = propertyId(incoming.userProperties);
    switch (incoming.topic.slice(GATEWAY_TOPIC_PREFIX.length)) {
      case 'connect':
        return { kind: 'connect', child: nameOf(readValue()) };
      case 'disconnect':
        return { kind: 'disconnect', child: nameOf(readValue()) };
      case 'telemetry':
        return readMessages(readValue(), (value) => telemetryOf(value, givenId, receivedAtMs));
      case 'attributes':
        return readMessages(readValue(), (value) => good('control', readPatch(value), givenId));
      case 'attributes/request':
        return readRequest(readValue(), givenId);
      case 'rpc':
        return readRpc(readValue(), givenId);
      case 'claim':
        throw new PayloadRefused('TOPIC_UNKNOWN', 'devices are not claimed: they are assigned by the API');
      default:
        throw new PayloadRefused('TOPIC_UNKNOWN', 'nothing is sent to this topic');
    }
  } catch (error) {
    return deadOf(error);
  }
}

function good(
  lane: 'control' | 'telemetry',
  message: Extract<Classified, { kind: 'good' }>['message'],
  messageId: string,
): Classified {
  return { kind: 'good', lane, message, messageId };
}

function telemetryOf(value: JsonValue, givenId: string, receivedAtMs: number): Classified {
  const { points, messageId } = readTelemetry(value, receivedAtMs);
  return good('telemetry', { kind: 'telemetry', points }, givenId || messageId);
}

function readRequest(value: JsonValue, givenId: string): GatewayMessage {
  const { child, message } = readChildAttributesRequest(value);
  return { kind: 'messages', messages: [{ child, classified: good('control', message, givenId), value }] };
}

/** `{"device":…,"id":…,"data":…}`: what a child answers to a command. */
function readRpc(value: JsonValue, givenId: string): GatewayMessage {
  const { id, data = null } = objectOf(value);
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) {
    throw new PayloadRefused('PAYLOAD_MALFORMED', '`id` is the number of the request');
  }
  const classified = good('control', readRpcResponse(id, data), givenId);
  return { kind: 'messages', messages: [{ child: nameOf(value), classified, value }] };
}

function readMessages(value: JsonValue, read: (value: JsonValue) => Classified): GatewayMessage {
  const children = objectOf(value);
  const names = Object.keys(children);
  if (names.length === 0) throw new PayloadRefused('PAYLOAD_MALFORMED', 'there are no devices in it');
  if (names.length > CHILDREN_MAX) throw new PayloadRefused('PAYLOAD_TOO_LARGE', `more than ${CHILDREN_MAX} devices`);
  const messages = names.map((child): ChildMessage => {
    const said = children[child] as JsonValue;
    try {
      return { child, classified: read(said), value: said };
    } catch (error) {
      return { child, classified: deadOf(error), value: said };
    }
  });
  return { kind: 'messages', messages };
}

/** ThingsBoard also sends a `type` of the device, which means nothing here. */
function nameOf(value: JsonValue): string {
  const { device } = objectOf(value);
  if (typeof device === 'string') return device;
  throw new PayloadRefused('PAYLOAD_MALFORMED', '`device` is the name of a device');
}

function objectOf(value: JsonValue): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new PayloadRefused('PAYLOAD_MALFORMED', 'the payload is an object with the names of devices as keys');
}
