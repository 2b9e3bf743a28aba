export { choice, integer, readSettings, SettingsInvalid, text } from './define-settings.ts';
export type { Setting, SettingGroup, SettingsOf } from './define-settings.ts';
export { platformSettings } from './settings/platform-settings.ts';
export { workerSettings } from './settings/worker-settings.ts';
export { embeddedClickhouseSettings } from './settings/clickhouse-settings.ts';
export { writerSettings } from './settings/writer-settings.ts';
