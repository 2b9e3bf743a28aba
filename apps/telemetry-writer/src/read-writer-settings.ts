import {
  eventLogSettings,
  kafkaSettings,
  platformSettings,
  readSettings,
  redisSettings,
  SettingsInvalid,
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
  const settings = readSettings(group, env);
  if (settings.ranges > settings.partitionCount) {
    throw new SettingsInvalid(`WRITER_RANGES is more than there are partitions (${settings.partitionCount})`);
  }
  return settings;
}
