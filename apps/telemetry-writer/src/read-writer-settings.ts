import {
  eventLogSettings,
  kafkaSettings,
  platformSettings,
  readSettings,
  redisSettings,
  writerSettings,
  type SettingsOf,
} from '@breakwater/config';

const group = {
  ...platformSettings,
  ...redisSettings,
  ...eventLogSettings,
  ...kafkaSettings,
  ...writerSettings,
} as const;

export type WriterSettings = SettingsOf<typeof group>;

/** @throws SettingsInvalid */
export function readWriterSettings(env: Readonly<Record<string, string | undefined>>): WriterSettings {
  return readSettings(group, env);
}
