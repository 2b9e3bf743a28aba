/** The limits of DESIGN's device-facing interface. They are part of the contract with devices, not settings. */
export const LIMITS = {
  topicBytesMax: 256,
  payloadBytesMax: 128 * 1024,
  twinBytesMax: 64 * 1024,
  jsonDepthMax: 8,
  telemetryKeysMax: 512,
  telemetryPointsMax: 1_000,
  messageIdBytesMax: 128,
  deviceClockAheadMsMax: 5 * 60_000,
  /** Device time before this is implausible: it becomes server time and is marked. 2000-01-01. */
  deviceClockMsMin: 946_684_800_000,
  rawRetentionDays: 30,
  /** Device time older than this is a dead letter: the 1-hour rollups do not reach further. */
  rollupHourRetentionDays: 5 * 365,
  rollupMinuteRetentionDays: 365,
  deadLetterRetentionDays: 7,
  commandRetentionDays: 365,
  twinHistoryRetentionDays: 90,
} as const;

const TELEMETRY_KEY_PATTERN = /^[A-Za-z0-9_.-]{1,64}$/;

export function isTelemetryKey(text: string): boolean {
  return TELEMETRY_KEY_PATTERN.test(text);
}
