import { laneBudgetsOf } from '@breakwater/log-engine';
import { type Metrics, type MemoryWatch, QueueWatch } from '@breakwater/observability';
import type { LaneFill } from '@breakwater/twin-runtime';

import type { AppendBatcher } from './append/append-batcher.ts';
import type { GatewaySettings } from './read-gateway-settings.ts';

export interface GatewayQueuesOptions {
  readonly settings: GatewaySettings;
  readonly metrics: Metrics;
  readonly batcher: AppendBatcher;
  readonly lanes: LaneFill;
  readonly memory: MemoryWatch;
  readonly connections: () => number;
  readonly children: () => number;
  readonly detachedSessions: () => number;
  readonly bans: () => number;
}

/** Everything in a gateway that its devices can fill together. What one device can fill has limits of its own. */
export function watchGatewayQueues(options: GatewayQueuesOptions): QueueWatch<'gateway'> {
  const { settings, metrics, batcher, lanes, memory } = options;
  const budgets = laneBudgetsOf(settings);
  return new QueueWatch({
    metrics,
    process: 'gateway',
    queues: {
      appendBytes: { used: () => batcher.load, max: settings.queueBytesMax },
      appendRecords: { used: () => batcher.records, max: settings.queueRecordsMax },
      appendFlights: { used: () => batcher.flights, max: settings.flightsMax },
      connections: { used: options.connections, max: settings.connectionsMax },
      children: { used: options.children, max: settings.childrenOpenTotalMax },
      detachedSessions: { used: options.detachedSessions, max: settings.detachedSessionsMax },
      bans: { used: options.bans, max: settings.bansMax },
      controlLane: { used: () => lanes.bytes('control'), max: budgets.control },
      telemetryLane: { used: () => lanes.bytes('telemetry'), max: budgets.telemetry },
      memory: { used: () => memory.usedBytes(), max: memory.maxBytes },
    },
  });
}
