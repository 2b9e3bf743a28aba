import type { ClickHouseClient } from '@clickhouse/client';

import type { HeldRate } from '../storm/parts/hold-rate.ts';
import { holdRate } from '../storm/parts/hold-rate.ts';
import { GENERATOR } from '../storm/checks/memory-caps.ts';
import { payloadBytesOf } from '../storm/load/event-packets.ts';
import { valuesPerEventOf } from '../storm/load/event-values.ts';
import { keptMemory, logMemory } from '../storm/platform/redis-memory.ts';
import { StormPlatform } from '../storm/platform/storm-platform.ts';
import { type MeasuredRun, partOf, PLATFORM_PARTS, type PlatformPart } from './capacity-measurement.ts';

export interface RunOrder {
  readonly devices: number;
  /** Groups of four values in an event, beside its number. */
  readonly valueGroups: number;
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

interface TableSize {
  readonly table: string;
  readonly bytes: string;
  readonly rows: string;
}

const MILLION = 1_000_000;
/** What is compiled while it runs first is no cost of an event. */
const WARM_UP_SHARE = 0.25;
const RAW = 'telemetry';
const ROLLUPS = ['telemetry_1m', 'telemetry_1h'] as const;

/** A fresh platform, a load of this kind, and what it took. */
export async function measureRun(order: RunOrder): Promise<MeasuredRun> {
  const platform = await StormPlatform.start();
  try {
    const logins = await platform.client.registerDevices('capacity', order.devices);
    await platform.connect(logins, order.valueGroups);
    const { eventsPerSecond, seconds } = order;
    await holdRate(platform, { eventsPerSecond, seconds: Math.ceil(seconds * WARM_UP_SHARE) });
    const held = await holdRate(platform, { eventsPerSecond, seconds });
    return { ...describe(order, held), ...(await storageOf(platform)) };
  } finally {
    await platform.stop();
  }
}

type Described = Pick<
  MeasuredRun,
  'devices' | 'valuesPerEvent' | 'payloadBytes' | 'offeredPerSecond' | 'seconds' | 'events' | 'eventsPerSecond' | 'cpu'
>;

function describe({ devices, valueGroups, eventsPerSecond, seconds }: RunOrder, held: HeldRate): Described {
  const cpu = Object.fromEntries(PLATFORM_PARTS.map((part) => [part, 0])) as Record<PlatformPart, number>;
  for (const { name, cpuSeconds } of held.usage) {
    if (name !== GENERATOR) cpu[partOf(name)] += (cpuSeconds * MILLION) / held.events;
  }
  return {
    devices,
    valuesPerEvent: valuesPerEventOf(valueGroups),
    payloadBytes: payloadBytesOf(valueGroups),
    offeredPerSecond: eventsPerSecond,
    seconds,
    events: held.events,
    eventsPerSecond: held.events / (held.seconds + Math.max(0, held.drainSeconds)),
    cpu,
  };
}

type Stored = Pick<
  MeasuredRun,
  | 'redisBytes'
  | 'logBytesPerEvent'
  | 'logMemoryPerEvent'
  | 'diskBytesPerEvent'
  | 'diskBytesPerRow'
  | 'bytesPerRollupRow'
>;

async function storageOf(platform: StormPlatform): Promise<Stored> {
  const redisBytes = await keptMemory(platform.installation);
  const log = await logMemory(platform.installation);
  const clickhouse = await platform.clickhouse();
  try {
    const sizes = await tableSizes(clickhouse);
    const of = (tables: readonly string[], figure: 'bytes' | 'rows'): number =>
      sizes.filter(({ table }) => tables.includes(table)).reduce((sum, size) => sum + Number(size[figure]), 0);
    return {
      redisBytes,
      logBytesPerEvent: log.appendedBytes / log.records,
      logMemoryPerEvent: log.heldMemoryBytes / Math.max(log.heldRecords, 1),
      diskBytesPerEvent: of([RAW, ...ROLLUPS], 'bytes') / log.records,
      diskBytesPerRow: of([RAW], 'bytes') / of([RAW], 'rows'),
      bytesPerRollupRow: of(ROLLUPS, 'bytes') / of(ROLLUPS, 'rows'),
    };
  } finally {
    await clickhouse.close();
  }
}

/** Merged, as they will lie on the disk for most of their time. */
async function tableSizes(clickhouse: ClickHouseClient): Promise<readonly TableSize[]> {
  for (const table of [RAW, ...ROLLUPS]) await clickhouse.command({ query: `OPTIMIZE TABLE ${table} FINAL` });
  const result = await clickhouse.query({
    query: `SELECT table, sum(bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts
WHERE active AND database = currentDatabase() GROUP BY table`,
    format: 'JSONEachRow',
  });
  return result.json<TableSize>();
}
