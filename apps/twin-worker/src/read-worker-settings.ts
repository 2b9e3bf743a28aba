import {
  eventLogSettings,
  kafkaSettings,
  platformSettings,
  readSettings,
  redisSettings,
  workerSettings,
  type SettingsOf,
} from '@breakwater/config';

const group = {
  ...platformSettings,
  ...redisSettings,
  ...eventLogSettings,
  ...kafkaSettings,
  ...workerSettings,
} as const;

export type WorkerSettings = SettingsOf<typeof group>;

/** @throws SettingsInvalid */
export function readWorkerSettings(env: Readonly<Record<string, string | undefined>>): WorkerSettings {
  return readSettings(group, env);
}
