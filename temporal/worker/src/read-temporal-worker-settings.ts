import {
  eventLogSettings,
  kafkaSettings,
  platformSettings,
  readSettings,
  redisSettings,
  temporalSettings,
  temporalWorkerSettings,
  type SettingsOf,
} from '@breakwater/config';

const group = {
  ...platformSettings,
  ...redisSettings,
  ...eventLogSettings,
  ...kafkaSettings,
  ...temporalSettings,
  ...temporalWorkerSettings,
} as const;

export type TemporalWorkerSettings = SettingsOf<typeof group>;

/** @throws SettingsInvalid */
export function readTemporalWorkerSettings(env: Readonly<Record<string, string | undefined>>): TemporalWorkerSettings {
  return readSettings(group, env);
}
