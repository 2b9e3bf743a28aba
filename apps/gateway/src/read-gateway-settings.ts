import {
  eventLogSettings,
  gatewaySettings,
  platformSettings,
  readSettings,
  redisSettings,
  type SettingsOf,
} from '@breakwater/config';

const group = { ...platformSettings, ...redisSettings, ...eventLogSettings, ...gatewaySettings } as const;

export type GatewaySettings = SettingsOf<typeof group>;

/** @throws SettingsInvalid */
export function readGatewaySettings(env: Readonly<Record<string, string | undefined>>): GatewaySettings {
  return readSettings(group, env);
}
