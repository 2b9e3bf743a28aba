import { laneBytesMaxOf } from '@breakwater/adapter-redis';

import type { LaneBudgets, LogEngineSettings } from './log-engine.ts';

type Budgeted = Pick<
  LogEngineSettings,
  'eventLog' | 'controlLaneBytesMax' | 'telemetryLaneBytesMax' | 'telemetryReserveBytes' | 'frameBytesMax'
>;

/** Known only for the embedded log: Kafka's partitions are bounded by their retention and by the brokers' disks. */
export function laneBudgetsOf(settings: Budgeted): LaneBudgets {
  return settings.eventLog === 'kafka' ? { control: null, telemetry: null } : laneBytesMaxOf(settings);
}
