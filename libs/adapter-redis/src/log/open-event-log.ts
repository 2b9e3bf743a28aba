import type { eventLogSettings, SettingsOf } from '@breakwater/config';
import type { Lane } from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { RedisEventLog } from './redis-event-log.ts';

export type EventLogSettings = SettingsOf<typeof eventLogSettings>;

/** The log with the budgets of the settings: all who append or trim have to count with the same ones. */
export function openEventLog(redis: RedisClient, settings: EventLogSettings): RedisEventLog {
  return new RedisEventLog({
    redis,
    laneBytesMax: laneBytesMaxOf(settings),
    frameBytesMax: settings.frameBytesMax,
    telemetryReserveBytes: settings.telemetryReserveBytes,
  });
}

export function laneBytesMaxOf(settings: EventLogSettings): Readonly<Record<Lane, number>> {
  return { control: settings.controlLaneBytesMax, telemetry: settings.telemetryLaneBytesMax };
}
