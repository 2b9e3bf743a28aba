/** What one run of a known load took. */
export interface MeasuredRun {
  readonly devices: number;
  readonly valuesPerEvent: number;
  readonly payloadBytes: number;
  readonly offeredPerSecond: number;
  readonly seconds: number;
  readonly events: number;
  /** From the first event until the last one was in its twin and among the rows. */
  readonly eventsPerSecond: number;
  /** CPU seconds per million events, by part of the platform. */
  readonly cpu: Readonly<Record<PlatformPart, number>>;
  /** Redis' memory without the telemetry log: the sum over its keys. */
  readonly redisBytes: number;
  /** What an event is in the log, and what Redis' memory it takes for as long as the embedded log keeps it. */
  readonly logBytesPerEvent: number;
  readonly logMemoryPerEvent: number;
  /** Of raw rows and both rollups, merged. */
  readonly diskBytesPerEvent: number;
  readonly diskBytesPerRow: number;
  readonly bytesPerRollupRow: number;
}

export const PLATFORM_PARTS = ['gateway', 'redis', 'twin-worker', 'telemetry-writer', 'clickhouse', 'others'] as const;
export type PlatformPart = (typeof PLATFORM_PARTS)[number];

/** A file of `docs/measurements` that the sheet takes its constants from. */
export interface CapacityMeasurement {
  readonly date: string;
  readonly hardware: string;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
  /** What else the machine did is no part of the file, so whoever measures says it. */
  readonly note: string;
  readonly runs: {
    /** Few devices with small payloads. */
    readonly base: MeasuredRun;
    /** The same from many devices. */
    readonly devices: MeasuredRun;
    /** The same with a larger payload. */
    readonly payload: MeasuredRun;
    /** The base at half of its rate: batches are smaller, and an event costs more. */
    readonly half: MeasuredRun;
  };
}

/** The part of the platform that a process belongs to. */
export function partOf(processName: string): PlatformPart {
  if (processName === 'embedded-clickhouse') return 'clickhouse';
  return PLATFORM_PARTS.find((part) => processName === part || processName.startsWith(`${part}-`)) ?? 'others';
}
