import {
  bridgeSettings,
  eventLogSettings,
  gatewaySettings,
  kafkaSettings,
  identitySettings,
  overloadSettings,
  platformSettings,
  protectionSettings,
  readSettings,
  redisSettings,
  type SettingsOf,
  temporalSettings,
  transportSettings,
} from '@breakwater/config';

const group = {
  ...platformSettings,
  ...redisSettings,
  ...eventLogSettings,
  ...kafkaSettings,
  ...gatewaySettings,
  ...overloadSettings,
  ...temporalSettings,
  ...transportSettings,
  ...protectionSettings,
  ...identitySettings,
  ...bridgeSettings,
} as const;

export type GatewaySettings = SettingsOf<typeof group>;

/** @throws SettingsInvalid */
export function readGatewaySettings(env: Readonly<Record<string, string | undefined>>): GatewaySettings {
  return readSettings(group, env);
}
