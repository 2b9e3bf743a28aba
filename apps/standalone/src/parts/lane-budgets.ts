import { eventLogSettings, type SettingsOf } from '@breakwater/config';

import { StartRefused } from '../start-refused.ts';

const BYTES_PER_MEGABYTE = 1024 * 1024;
const BYTES_PER_KIBIBYTE = 1024;
/** Of Redis' memory, for the lanes together. The rest is for twins, changes, sessions and what is being rewritten. */
const DERIVED_SHARE = 0.6;
/** Over this share a full log would leave the twins no room: then control is refused as well as telemetry. */
const SHARE_MAX = 0.8;
/** A control lane is this part of what its partition gets, and never so small that it holds less than these frames. */
const CONTROL_PART = 1 / 6;
const FRAMES_MIN = 2;

/** The reserve of a telemetry lane that nobody set is this part of it at most. */
const RESERVE_PART = 1 / 8;

const {
  controlLaneBytesMax: CONTROL,
  telemetryLaneBytesMax: TELEMETRY,
  telemetryReserveBytes: RESERVE,
} = eventLogSettings;

export interface LaneBudgetOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly budgets: Pick<
    SettingsOf<typeof eventLogSettings>,
    'controlLaneBytesMax' | 'telemetryLaneBytesMax' | 'telemetryReserveBytes'
  >;
  readonly frameBytesMax: number;
  readonly redisMemoryMegabytes: number;
  readonly partitions: number;
}

/**
 * What each lane of a partition may hold, as environment of every part. All lanes share one Redis, so a budget that
 * nobody set follows from its memory and the partitions: then a full telemetry lane leaves room for everything else.
 *
 * @throws StartRefused when the lanes together could take what the twins need, or one lane would hold too few frames.
 */
export function laneBudgets(options: LaneBudgetOptions): Record<string, string> {
  const { env, budgets, frameBytesMax, redisMemoryMegabytes, partitions } = options;
  const memoryBytes = redisMemoryMegabytes * BYTES_PER_MEGABYTE;
  const derivedBytes = (memoryBytes * DERIVED_SHARE) / partitions;
  const laneBytesMin = FRAMES_MIN * frameBytesMax;
  const derivedControl = wholeKibibytes(Math.max(derivedBytes * CONTROL_PART, laneBytesMin));
  const control = isSet(env, CONTROL.name) ? budgets.controlLaneBytesMax : derivedControl;
  const derivedTelemetry = wholeKibibytes(Math.max(derivedBytes - derivedControl, 0));
  const telemetry = isSet(env, TELEMETRY.name) ? budgets.telemetryLaneBytesMax : derivedTelemetry;
  if (!isSet(env, TELEMETRY.name) && telemetry < laneBytesMin) {
    throw new StartRefused(
      'SETTING_INVALID',
      `REDIS_MEMORY_MB=${redisMemoryMegabytes} is too little for PARTITIONS=${partitions}: a telemetry lane would ` +
        `have ${telemetry} bytes, and needs ${FRAMES_MIN} times LOG_FRAME_BYTES=${frameBytesMax}: raise REDIS_MEMORY_MB`,
    );
  }
  const derivedReserve = Math.min(budgets.telemetryReserveBytes, wholeKibibytes(telemetry * RESERVE_PART));
  const reserve = isSet(env, RESERVE.name) ? budgets.telemetryReserveBytes : derivedReserve;
  const allBytes = partitions * (control + telemetry + reserve);
  if (allBytes > memoryBytes * SHARE_MAX) {
    throw new StartRefused(
      'SETTING_INVALID',
      `the log may hold ${megabytes(allBytes)} MB (PARTITIONS=${partitions}, ${CONTROL.name}=${control}, ` +
        `${TELEMETRY.name}=${telemetry}, ${RESERVE.name}=${reserve}), which is more than ${SHARE_MAX * 100} % of REDIS_MEMORY_MB=` +
        `${redisMemoryMegabytes}: raise REDIS_MEMORY_MB, or lower or leave out the budgets`,
    );
  }
  return { [CONTROL.name]: String(control), [TELEMETRY.name]: String(telemetry), [RESERVE.name]: String(reserve) };
}

/** An empty variable counts as not set, as everywhere. */
function isSet(env: LaneBudgetOptions['env'], name: string): boolean {
  return (env[name] ?? '') !== '';
}

function wholeKibibytes(bytes: number): number {
  return Math.floor(bytes / BYTES_PER_KIBIBYTE) * BYTES_PER_KIBIBYTE;
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_MEGABYTE);
}
