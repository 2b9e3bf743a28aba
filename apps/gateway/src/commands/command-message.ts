import type { OutboundMessage, Session } from '@breakwater/mqtt-endpoint';
import type { CommandDispatch, JsonObject } from '@breakwater/twin';
import type { Downlink } from '@breakwater/twin-runtime';
import { DEVICE_TOPIC_PREFIX, ownBytes } from '@breakwater/wire';

import type { DeviceSession } from '../session/device-session.ts';
import { topicHeard } from '../session/own-filters.ts';

/** The topic on which ThingsBoard's firmware takes requests, by number. */
const RPC_REQUEST = 'rpc/request';

/**
 * A command as this session takes it: on our own topic, or as the request that ThingsBoard's firmware knows. Null when
 * it listens to neither. With MQTT 5 it says where the answer goes and what it answers, and it expires at its deadline.
 */
export function commandMessage(
  session: Session<DeviceSession>,
  downlink: Downlink & { readonly command: CommandDispatch },
  nowMs: number,
): OutboundMessage | null {
  const { commandId, requestId, deadlineMs } = downlink.command;
  const { device } = session.identity.device;
  const filters = [...session.subscriptions().keys()];
  const common = { qos: 1, onlyWhileConnected: true, expiryMs: deadlineMs - nowMs } as const;
  const own = topicHeard(filters, downlink.topic, device);
  if (own !== null) {
    return {
      ...common,
      topic: own,
      payload: ownBytes(downlink.payload),
      contentType: 'application/json',
      responseTopic: `${DEVICE_TOPIC_PREFIX}me/commands/${commandId}/response`,
      correlationData: ownBytes(commandId),
    };
  }
  const rpc = topicHeard(filters, `${RPC_REQUEST}/${requestId}`, device);
  if (rpc === null) return null;
  const { method, params } = JSON.parse(downlink.payload) as JsonObject;
  const request = { method, params: params ?? {} };
  return { ...common, topic: rpc, payload: ownBytes(JSON.stringify(request)) };
}
