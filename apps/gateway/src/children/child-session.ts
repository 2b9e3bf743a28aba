import type {
  CloseReason,
  DeliveryOutcome,
  OutboundMessage,
  ProtocolVersion,
  Session,
} from '@breakwater/mqtt-endpoint';
import type { DeviceId, JsonObject } from '@breakwater/twin';
import { DEVICE_TOPIC_PREFIX, GATEWAY_TOPIC_PREFIX, ownBytes } from '@breakwater/wire';

import type { DeviceSession } from '../session/device-session.ts';
import { matches } from '../session/own-filters.ts';

const OWN = `${DEVICE_TOPIC_PREFIX}me/`;
const OWN_ATTRIBUTES = `${OWN}attributes`;
const OWN_RPC = `${OWN}rpc/request/`;
const OWN_RESPONSES = `${OWN_ATTRIBUTES}/response/`;
/** Where a gateway device is told what is for its children. */
export const CHILD_ATTRIBUTES_TOPIC = `${GATEWAY_TOPIC_PREFIX}attributes`;
/** Where it is given their commands. */
export const CHILD_RPC_TOPIC = `${GATEWAY_TOPIC_PREFIX}rpc`;
const CHILD_RESPONSES_TOPIC = `${CHILD_ATTRIBUTES_TOPIC}/response`;

export interface ChildSessionOptions {
  readonly identity: DeviceSession;
  readonly parent: Session<DeviceSession>;
  readonly onClose: (child: ChildSession, reason: CloseReason) => void;
}

/**
 * The session of a child device on the connection of its gateway device. To everything behind the connection it is a
 * session like any other; what it is sent leaves on that connection, in the form of the gateway API.
 */
export class ChildSession implements Session<DeviceSession> {
  readonly identity: DeviceSession;
  readonly isResumed = false;
  readonly #parent: Session<DeviceSession>;
  readonly #onClose: ChildSessionOptions['onClose'];

  constructor({ identity, parent, onClose }: ChildSessionOptions) {
    this.identity = identity;
    this.#parent = parent;
    this.#onClose = onClose;
  }

  get clientId(): string {
    return this.#parent.clientId;
  }

  get protocolVersion(): ProtocolVersion {
    return this.#parent.protocolVersion;
  }

  get remoteAddress(): string {
    return this.#parent.remoteAddress;
  }

  /** What the gateway device listens to for its children, as the filters that each of them would have. */
  subscriptions(): ReadonlyMap<string, 0 | 1 | 2> {
    const own = new Map<string, 0 | 1 | 2>();
    for (const [filter, qos] of this.#parent.subscriptions()) {
      if (matches(filter, CHILD_ATTRIBUTES_TOPIC)) own.set(OWN_ATTRIBUTES, qos);
      if (matches(filter, CHILD_RPC_TOPIC)) own.set(`${OWN_RPC}+`, qos);
      if (matches(filter, CHILD_RESPONSES_TOPIC)) own.set(`${OWN_RESPONSES}+`, qos);
    }
    return own;
  }

  send(message: OutboundMessage): Promise<DeliveryOutcome> {
    return this.#parent.send({ ...message, ...inGatewayForm(message, this.identity.device.device) });
  }

  /** A queue that is full is that of the connection: its end gives all children everything anew. */
  close(reason: CloseReason): void {
    if (reason === 'overloaded') this.#parent.close(reason);
    else this.#onClose(this, reason);
  }
}

function inGatewayForm(
  { topic, payload }: OutboundMessage,
  device: DeviceId,
): { readonly topic: string; readonly payload: Uint8Array } {
  const data = JSON.parse(Buffer.from(payload).toString('utf8')) as JsonObject;
  if (topic.startsWith(OWN_RPC)) {
    const id = Number(topic.slice(OWN_RPC.length));
    return { topic: CHILD_RPC_TOPIC, payload: ownBytes(JSON.stringify({ device, data: { id, ...data } })) };
  }
  if (!topic.startsWith(OWN_RESPONSES)) {
    return { topic: CHILD_ATTRIBUTES_TOPIC, payload: ownBytes(JSON.stringify({ device, data })) };
  }
  const id = Number(topic.slice(OWN_RESPONSES.length));
  const values = { ...(data['client'] as JsonObject | undefined), ...(data['shared'] as JsonObject | undefined) };
  const [only, ...others] = Object.values(values);
  // Which of the two a gateway looks for depends on its release.
  const single = only !== undefined && others.length === 0 ? { value: only } : {};
  return { topic: CHILD_RESPONSES_TOPIC, payload: ownBytes(JSON.stringify({ id, device, ...single, values })) };
}
