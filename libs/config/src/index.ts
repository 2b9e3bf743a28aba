export { choice, integer, readSettings, SettingsInvalid, text } from './define-settings.ts';
export type { Setting, SettingGroup, SettingsOf } from './define-settings.ts';
export { platformSettings } from './settings/platform-settings.ts';
