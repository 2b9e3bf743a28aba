import type { JsonValue } from '@breakwater/twin';
import { LIMITS } from '@breakwater/wire';

import { PayloadRefused } from './payload-refused.ts';

const RETENTION_MS = LIMITS.rollupHourRetentionDays * 86_400_000;

export interface DeviceTime {
  readonly tsMs: number;
  /** True where the device's own time was corrected. */
  readonly marked: boolean;
}

/** Neither corrected nor refused. */
export function isTakenAsItIs(tsMs: number, receivedAtMs: number): boolean {
  return (
    tsMs <= receivedAtMs + LIMITS.deviceClockAheadMsMax &&
    tsMs >= LIMITS.deviceClockMsMin &&
    tsMs >= receivedAtMs - RETENTION_MS
  );
}

/**
 * What a device's time becomes. It is corrected here and nowhere else, so that every reader of the log sees one time.
 * @throws PayloadRefused
 */
export function readDeviceTime(ts: JsonValue | undefined, receivedAtMs: number): DeviceTime {
  if (typeof ts !== 'number') throw new PayloadRefused('TIMESTAMP_INVALID', '`ts` is a number: Unix milliseconds');
  const tsMs = Math.round(ts);
  if (tsMs > receivedAtMs + LIMITS.deviceClockAheadMsMax || tsMs < LIMITS.deviceClockMsMin) {
    return { tsMs: receivedAtMs, marked: true };
  }
  if (tsMs < receivedAtMs - RETENTION_MS) {
    throw new PayloadRefused('TIMESTAMP_TOO_OLD', `\`ts\` ${tsMs} is older than anything that is kept`);
  }
  return { tsMs, marked: false };
}
