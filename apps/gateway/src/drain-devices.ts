import type { MqttEndpoint } from '@breakwater/mqtt-endpoint';

import type { DeviceSession } from './session/device-session.ts';

export interface DrainSettings {
  readonly drainMs: number;
  readonly drainConnectionsPerSecond: number;
  readonly drainSpreadMsMax: number;
  /** Where devices are to go, for those of MQTT 5; empty to say nothing of it. */
  readonly serverReference: string;
}

/** How often some of the devices are sent away. */
const BATCH_MS = 100;
const MS_PER_SECOND = 1_000;

/**
 * Sends all devices of a gateway that stops away, a batch at a time: they come back at the other gateways, and all at
 * once would be a storm there. Each is told when what it sent is acknowledged, or when its time is over.
 */
export async function drainDevices(
  endpoint: Pick<MqttEndpoint<DeviceSession>, 'connectionCount' | 'sweep' | 'drain'>,
  { drainMs, drainConnectionsPerSecond, drainSpreadMsMax, serverReference }: DrainSettings,
): Promise<void> {
  const count = endpoint.connectionCount;
  const spreadMs = Math.min(drainSpreadMsMax, (count / drainConnectionsPerSecond) * MS_PER_SECOND);
  const batchMax = Math.ceil(count / (Math.floor(spreadMs / BATCH_MS) + 1));
  const reference = serverReference === '' ? {} : { serverReference };
  const pace = setInterval(() => endpoint.sweep(), BATCH_MS);
  try {
    await endpoint.drain({ timeoutMs: spreadMs + drainMs, batchMax: Math.max(1, batchMax), ...reference });
  } finally {
    clearInterval(pace);
  }
}
