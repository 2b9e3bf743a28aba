import {
  type CapacityMeasurement,
  type MeasuredRun,
  PLATFORM_PARTS,
  type PlatformPart,
} from './capacity-measurement.ts';

/** A load, as it is asked about. */
export interface CapacityLoad {
  readonly eventsPerSecond: number;
  readonly devices: number;
  readonly payloadBytes: number;
  readonly valuesPerEvent: number;
  /** Which share of the most that its processes can do the load is. */
  readonly utilization: number;
}

export interface PredictedCosts {
  /** CPU seconds per million events. */
  readonly cpu: Readonly<Record<PlatformPart, number>>;
  readonly cpuSum: number;
  readonly redisBytes: number;
  readonly logBytesPerEvent: number;
  readonly logMemoryPerEvent: number;
  readonly diskBytesPerEvent: number;
}

/** Messages of a device that arrive within this time are read from its socket, and answered, at once. */
const SOCKET_BATCH_SECONDS = 0.1;

/**
 * What a load costs, from four measured runs: a base, one with more devices, one with a larger payload, and one at half
 * the rate. A cost is the base's, plus what each byte of payload adds, plus what it adds that messages arrive one by
 * one (a socket that has many of them ready is read once for all); and an event costs more the more idle the processes
 * are, because they wait for no batch to fill.
 */
export function predictCosts({ runs }: CapacityMeasurement, load: CapacityLoad): PredictedCosts {
  const { base, devices, payload, half } = runs;
  const alone = aloneShare(load) - aloneShare(base);
  const alonePerRun = aloneShare(devices) - aloneShare(base);
  const bytes = load.payloadBytes - base.payloadBytes;
  const bytesPerRun = payload.payloadBytes - base.payloadBytes;
  const withBytes = (figure: (run: MeasuredRun) => number): number =>
    figure(base) + ((figure(payload) - figure(base)) / bytesPerRun) * bytes;
  const at = (figure: (run: MeasuredRun) => number): number => {
    const perShare = (figure(devices) - figure(base)) / alonePerRun;
    return Math.max(0, withBytes(figure) + perShare * alone);
  };
  const idleBefore = 1 - half.eventsPerSecond / base.eventsPerSecond;
  const idle = (part: PlatformPart): number => {
    const more = half.cpu[part] / Math.max(base.cpu[part], Number.MIN_VALUE) - 1;
    return 1 + (Math.max(0, more) * (1 - load.utilization)) / idleBefore;
  };
  const costs = PLATFORM_PARTS.map((part) => [part, at((run) => run.cpu[part]) * idle(part)]);
  const cpu = Object.fromEntries(costs) as Record<PlatformPart, number>;
  return {
    cpu,
    cpuSum: PLATFORM_PARTS.reduce((sum, part) => sum + cpu[part], 0),
    redisBytes: redisBytesOf(runs, load),
    logBytesPerEvent: Math.max(
      0,
      withBytes(({ logBytesPerEvent }) => logBytesPerEvent),
    ),
    logMemoryPerEvent: Math.max(
      0,
      withBytes(({ logMemoryPerEvent }) => logMemoryPerEvent),
    ),
    diskBytesPerEvent:
      rawDiskBytesPerEvent(runs, load.valuesPerEvent) + base.bytesPerRollupRow * rollupRowsPerEvent(load),
  };
}

/** The share of a machine's most that this load is, if the machine is the one that the runs were measured on. */
export function utilizationOn(measured: CapacityMeasurement, load: Omit<CapacityLoad, 'utilization'>): number {
  const { base } = measured.runs;
  const baseSum = PLATFORM_PARTS.reduce((sum, part) => sum + base.cpu[part], 0);
  const { cpuSum } = predictCosts(measured, { ...load, utilization: 1 });
  return Math.min(1, (load.eventsPerSecond * cpuSum) / (base.eventsPerSecond * baseSum));
}

/** How much of the events has a socket's read for itself: nearly all, when a device sends one now and then. */
export function aloneShare({ eventsPerSecond, devices }: Pick<MeasuredRun, 'eventsPerSecond' | 'devices'>): number {
  return 1 / (1 + (eventsPerSecond / devices) * SOCKET_BATCH_SECONDS);
}

/** A fixed part, a device's twin, registration and session, and what its latest values take beyond the base's. */
function redisBytesOf({ base, devices, payload }: CapacityMeasurement['runs'], load: CapacityLoad): number {
  const perDevice = (devices.redisBytes - base.redisBytes) / (devices.devices - base.devices);
  const perByteOfDevice =
    Math.max(0, payload.redisBytes - base.redisBytes) / base.devices / (payload.payloadBytes - base.payloadBytes);
  const larger = perByteOfDevice * (load.payloadBytes - base.payloadBytes);
  return base.redisBytes - perDevice * base.devices + Math.max(0, perDevice + larger) * load.devices;
}

/**
 * The number of an event compresses worse than its values, so rows of larger events are smaller on average. From how
 * many devices they come is no part of it: the more of these send the same wave, the better it compresses, which no
 * real fleet does. So it is the mean of few devices and many.
 */
export function rawDiskBytesPerEvent(
  { base, devices, payload }: CapacityMeasurement['runs'],
  valuesPerEvent: number,
): number {
  const rawOf = (run: MeasuredRun): number => run.diskBytesPerRow * run.valuesPerEvent;
  const perValue = (rawOf(payload) - rawOf(base)) / (payload.valuesPerEvent - base.valuesPerEvent);
  const small = (rawOf(base) + rawOf(devices)) / 2;
  return Math.max(0, small + perValue * (valuesPerEvent - base.valuesPerEvent));
}

/** Rows of the 1-minute and the 1-hour rollup that an event adds, when devices send at an even pace. */
export function rollupRowsPerEvent({
  eventsPerSecond,
  devices,
  valuesPerEvent,
}: Pick<CapacityLoad, 'eventsPerSecond' | 'devices' | 'valuesPerEvent'>): number {
  const perDevice = eventsPerSecond / devices;
  return valuesPerEvent * [60, 3_600].reduce((sum, period) => sum + Math.min(1, 1 / (perDevice * period)), 0);
}
