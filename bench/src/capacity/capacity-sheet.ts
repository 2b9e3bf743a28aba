import { type CapacityMeasurement, PLATFORM_PARTS, type PlatformPart } from './capacity-measurement.ts';
import { type CapacityLoad, predictCosts, rawDiskBytesPerEvent, rollupRowsPerEvent } from './capacity-model.ts';

/** What is no measurement: the owner's choice, and printed as such. */
export interface CapacityChoices {
  readonly connectionsPerGateway: number;
  /** Processes of each kind beyond what the load needs, so that one may fail or be replaced. */
  readonly spare: number;
  /** For so long the embedded log holds everything while ClickHouse is away. */
  readonly outageMinutes: number;
  readonly retentionDays: number;
  readonly kafkaRetentionHours: number;
  readonly replicas: number;
  readonly brokerMegabytesPerSecond: number;
  /** Money, of whatever currency. */
  readonly coreHourPrice: number;
  readonly memoryGibMonthPrice: number;
  readonly diskGibMonthPrice: number;
}

export interface CapacityPlan {
  readonly partitions: number;
  readonly workers: number;
  readonly gateways: number;
  readonly writers: number;
  readonly brokers: number;
  /** Cores that are busy, by part. */
  readonly cores: Readonly<Record<PlatformPart, number>>;
  readonly redisBytes: number;
  readonly redisLogBytes: number;
  readonly clickhouseDiskBytes: number;
  readonly kafkaDiskBytes: number;
  readonly cpuSecondsPerMillion: number;
  readonly pricePerMillion: number;
}

const MILLION = 1_000_000;
const MEGABYTE = 1_000_000;
const GIB = 1024 ** 3;
const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 86_400;
const MONTH_SECONDS = 30 * DAY_SECONDS;
/** Rollups are kept for a year (minutes) and for five (hours). */
const MINUTE_ROLLUP_DAYS = 365;
const HOUR_ROLLUP_DAYS = 5 * 365;
const MINUTE_SECONDS = 60;
/** Partitions cannot be changed while anything runs: each worker can become four. */
const PARTITIONS_PER_WORKER = 4;
const PARTITIONS_MIN = 16;
/** Redis needs room for fragmentation, and for copies of pages while it rewrites its file. */
const REDIS_HEADROOM = 1.5;
const BROKERS_MIN = 3;

/** What to provide for a load. */
export function planCapacity(
  measured: CapacityMeasurement,
  load: CapacityLoad,
  choices: CapacityChoices,
): CapacityPlan {
  const { eventsPerSecond, utilization } = load;
  const costs = predictCosts(measured, load);
  const coresOf = (part: PlatformPart): number => (costs.cpu[part] * eventsPerSecond) / MILLION;
  const cores = Object.fromEntries(PLATFORM_PARTS.map((part) => [part, coresOf(part)])) as Record<PlatformPart, number>;
  // One process of Node computes on one core.
  const processes = (part: PlatformPart): number => Math.max(1, Math.ceil(cores[part] / utilization)) + choices.spare;
  const workers = processes('twin-worker');
  const byConnections = Math.ceil(load.devices / choices.connectionsPerGateway) + choices.spare;
  const redisLogBytes = costs.logMemoryPerEvent * eventsPerSecond * choices.outageMinutes * MINUTE_SECONDS;
  const logBytesPerSecond = costs.logBytesPerEvent * eventsPerSecond;
  const kafkaBytes = logBytesPerSecond * choices.replicas;
  const plan = {
    partitions: 2 ** Math.ceil(Math.log2(Math.max(PARTITIONS_MIN, PARTITIONS_PER_WORKER * workers))),
    workers,
    gateways: Math.max(processes('gateway'), byConnections),
    writers: processes('telemetry-writer'),
    brokers: Math.max(BROKERS_MIN, Math.ceil(kafkaBytes / (choices.brokerMegabytesPerSecond * MEGABYTE))),
    cores,
    redisBytes: costs.redisBytes * REDIS_HEADROOM,
    redisLogBytes: redisLogBytes * REDIS_HEADROOM,
    clickhouseDiskBytes: diskBytesOf(measured, load, choices),
    kafkaDiskBytes: kafkaBytes * choices.kafkaRetentionHours * HOUR_SECONDS,
    cpuSecondsPerMillion: costs.cpuSum,
  };
  return { ...plan, pricePerMillion: pricePerMillion(plan, load, choices) };
}

function diskBytesOf({ runs }: CapacityMeasurement, load: CapacityLoad, choices: CapacityChoices): number {
  const perDay = load.eventsPerSecond * DAY_SECONDS;
  const raw = perDay * rawDiskBytesPerEvent(runs, load.valuesPerEvent) * choices.retentionDays;
  const rollup = (periodSeconds: number, days: number): number => {
    const perEvent = load.valuesPerEvent * Math.min(1, load.devices / (load.eventsPerSecond * periodSeconds));
    return perDay * perEvent * runs.base.bytesPerRollupRow * days;
  };
  return raw + rollup(MINUTE_SECONDS, MINUTE_ROLLUP_DAYS) + rollup(HOUR_SECONDS, HOUR_ROLLUP_DAYS);
}

/** Of what is provided, not of what is busy: cores at the chosen utilization, memory and disk of a month. */
function pricePerMillion(
  plan: Omit<CapacityPlan, 'pricePerMillion'>,
  { eventsPerSecond, utilization }: CapacityLoad,
  choices: CapacityChoices,
): number {
  const cores = PLATFORM_PARTS.reduce((sum, part) => sum + plan.cores[part], 0) / utilization;
  const cpuPerSecond = (cores * choices.coreHourPrice) / HOUR_SECONDS;
  const memoryPerMonth = ((plan.redisBytes + plan.redisLogBytes) / GIB) * choices.memoryGibMonthPrice;
  const diskPerMonth = (plan.clickhouseDiskBytes / GIB) * choices.diskGibMonthPrice;
  return ((cpuPerSecond + (memoryPerMonth + diskPerMonth) / MONTH_SECONDS) / eventsPerSecond) * MILLION;
}

/** The sheet as Markdown. Each constant says where it was measured. */
export function capacitySheet(
  plan: CapacityPlan,
  load: CapacityLoad,
  { measured, file }: { readonly measured: CapacityMeasurement; readonly file: string },
): string {
  const rows: readonly (readonly [string, string, string])[] = [
    ['partitions', String(plan.partitions), `four times the workers, a power of two, at least ${PARTITIONS_MIN}`],
    ['gateways', String(plan.gateways), `${cores(plan, 'gateway')}, connections, and the spare`],
    ['twin-workers', String(plan.workers), `${cores(plan, 'twin-worker')}, and the spare`],
    ['telemetry-writers', String(plan.writers), `${cores(plan, 'telemetry-writer')}, and the spare`],
    ['Redis: cores', plan.cores.redis.toFixed(2), source(file, 'cpu.redis')],
    ['Redis: twins, registry, sessions', gib(plan.redisBytes), source(file, 'redisBytes of base and devices')],
    ['Redis: embedded log', gib(plan.redisLogBytes), source(file, 'logMemoryPerEvent')],
    ['ClickHouse: cores', plan.cores.clickhouse.toFixed(2), source(file, 'cpu.clickhouse')],
    ['ClickHouse: disk', gib(plan.clickhouseDiskBytes), source(file, 'diskBytesPerRow, bytesPerRollupRow')],
    ['Kafka: brokers', String(plan.brokers), 'by the megabytes/s that you give a broker; three at least'],
    ['Kafka: disk, all brokers', gib(plan.kafkaDiskBytes), source(file, 'logBytesPerEvent, uncompressed')],
    ['CPU seconds per million events', plan.cpuSecondsPerMillion.toFixed(1), source(file, 'cpu of all four runs')],
    ['price per million events', plan.pricePerMillion.toFixed(4), 'by the prices that you gave'],
  ];
  const rollups = rollupRowsPerEvent(load).toFixed(2);
  return [
    `${load.eventsPerSecond} events/s from ${load.devices} devices, ${load.payloadBytes} bytes and ` +
      `${load.valuesPerEvent} values each, processes at ${Math.round(load.utilization * 100)} % of their most`,
    `Constants: ${file}, ${measured.date.slice(0, 10)}, ${measured.hardware}; ${measured.note}. An event adds ` +
      `${load.valuesPerEvent} rows and ${rollups} rows of rollups.`,
    '',
    '| | | from |',
    '| --- | --- | --- |',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
}

function cores({ cores: busy }: CapacityPlan, part: PlatformPart): string {
  return `${busy[part].toFixed(2)} cores busy`;
}

function source(file: string, what: string): string {
  return `${file.split('/').at(-1) ?? file}: ${what}`;
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(bytes < 10 * GIB ? 2 : 0)} GiB`;
}
