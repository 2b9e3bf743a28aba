import type { DeviceId } from '@breakwater/twin';

/** The prefix of everything that a device may publish or subscribe to. `me` is the authenticated device. */
export const DEVICE_TOPIC_PREFIX = 'v1/devices/';

export type UpTopic =
  | { readonly kind: 'telemetry' }
  | { readonly kind: 'reported' }
  | { readonly kind: 'twinGet' }
  | { readonly kind: 'attributesRequest'; readonly requestId: number }
  | { readonly kind: 'event'; readonly name: string }
  | { readonly kind: 'status' }
  | { readonly kind: 'commandProgress'; readonly commandId: string }
  | { readonly kind: 'commandResponse'; readonly commandId: string }
  /** The answer of firmware that knows commands by number. */
  | { readonly kind: 'rpcResponse'; readonly requestId: number };

export type TopicRefusal = 'TOPIC_NOT_OWN' | 'TOPIC_UNKNOWN';

/** The prefix of ThingsBoard's gateway API: one connection speaks for many devices. */
export const GATEWAY_TOPIC_PREFIX = 'v1/gateway/';

const ATTRIBUTES_REQUEST = 'attributes/request/';
/** As many digits as a 32-bit integer has: ThingsBoard's request ids. */
const REQUEST_ID_PATTERN = /^\d{1,10}$/;
const COMMAND_ID_PATTERN = /^[A-Za-z0-9_.:-]{1,128}$/;
const COMMAND_TAIL_PATTERN = /^commands\/([A-Za-z0-9_.:-]{1,128})\/(progress|response)$/;
const RPC_TAIL_PATTERN = /^rpc\/response\/(\d{1,15})$/;
const EVENT_NAME_PATTERN = /^[A-Za-z0-9_.-]{1,64}$/;

/** Reads a topic that `device` publishes to. */
export function parseUpTopic(topic: string, device: DeviceId): UpTopic | TopicRefusal {
  const tail = ownTail(topic, device);
  if (tail === null) return topic.startsWith(DEVICE_TOPIC_PREFIX) ? 'TOPIC_NOT_OWN' : 'TOPIC_UNKNOWN';
  switch (tail) {
    case 'telemetry':
      return { kind: 'telemetry' };
    case 'attributes':
    case 'twin/reported':
      return { kind: 'reported' };
    case 'twin/get':
      return { kind: 'twinGet' };
    case 'status':
      return { kind: 'status' };
    default:
      break;
  }
  if (tail.startsWith('events/')) {
    const name = tail.slice('events/'.length);
    if (EVENT_NAME_PATTERN.test(name)) return { kind: 'event', name };
  }
  if (tail.startsWith(ATTRIBUTES_REQUEST)) {
    const requestId = tail.slice(ATTRIBUTES_REQUEST.length);
    if (REQUEST_ID_PATTERN.test(requestId)) return { kind: 'attributesRequest', requestId: Number(requestId) };
  }
  return parseCommandTail(tail) ?? 'TOPIC_UNKNOWN';
}

function parseCommandTail(tail: string): UpTopic | null {
  const command = COMMAND_TAIL_PATTERN.exec(tail);
  if (command !== null) {
    const commandId = command[1] as string;
    return { kind: command[2] === 'progress' ? 'commandProgress' : 'commandResponse', commandId };
  }
  const rpc = RPC_TAIL_PATTERN.exec(tail);
  return rpc === null ? null : { kind: 'rpcResponse', requestId: Number(rpc[1]) };
}

/** One level of a topic, so that a device can subscribe to `commands/+/request`. */
export function isCommandId(text: string): boolean {
  return COMMAND_ID_PATTERN.test(text);
}

/** What stands behind `v1/devices/{me|id}/`, or null when the topic is not this device's. */
export function ownTail(topic: string, device: DeviceId): string | null {
  if (!topic.startsWith(DEVICE_TOPIC_PREFIX)) return null;
  const slash = topic.indexOf('/', DEVICE_TOPIC_PREFIX.length);
  if (slash === -1) return null;
  const owner = topic.slice(DEVICE_TOPIC_PREFIX.length, slash);
  return owner === 'me' || owner === device ? topic.slice(slash + 1) : null;
}
