import type { EndpointLimits, SessionOptions, SessionStore } from '@breakwater/mqtt-endpoint';
import type { Clock } from '@breakwater/twin-runtime';

import type { GatewaySettings } from '../../read-gateway-settings.ts';

const MS_PER_SECOND = 1_000;
/** What a message has beside its bytes as they are counted, and a filter beside its text, at most. */
const ENTRY_BYTES = 64;
/** A filter is a text of MQTT. */
const FILTER_BYTES_MAX = 65_535;
/** The packet ids of both directions, and the numbers in front. */
const REST_BYTES = 512 * 1024;

/** Larger than a session within its limits ever is: what is larger is no such session. */
export function archivedBytesMax(settings: GatewaySettings): number {
  const { outboundBytesMax, outboundQueueMax, subscriptionsMax } = settings;
  const messages = outboundBytesMax + outboundQueueMax * ENTRY_BYTES;
  return messages + subscriptionsMax * (FILTER_BYTES_MAX + ENTRY_BYTES) + REST_BYTES;
}

export function engineLimits(settings: GatewaySettings): EndpointLimits {
  return { ...settings, outboundQosMax: settings.grantedQosMax === 2 ? 2 : 1 };
}

export function sessionOptions(
  settings: GatewaySettings,
  parts: { readonly store: SessionStore; readonly clock: Clock },
): SessionOptions {
  return {
    store: parts.store,
    expiryMaxMs: settings.sessionExpirySecondsMax * MS_PER_SECOND,
    detachedMax: settings.detachedSessionsMax,
    dropPolicy: settings.outboundDropPolicy,
    wallNow: () => parts.clock.nowMs(),
  };
}
