/**
 * What a search in Temporal finds the workflows of commands by, each of Temporal's type Keyword. The names are part of
 * the data: a namespace keeps those that it was given. They are stored unencrypted, so nothing personal goes in.
 */
export const COMMAND_SEARCH_ATTRIBUTES = {
  tenant: 'TenantId',
  device: 'DeviceId',
  method: 'CommandMethod',
  state: 'CommandState',
} as const;
