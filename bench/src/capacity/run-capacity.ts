import { readFile, writeFile } from 'node:fs/promises';

import { numberFromZero, positiveNumber, readArguments } from '../command-line.ts';
import { machineFacts } from '../storm/machine-facts.ts';
import { StormPlatform } from '../storm/platform/storm-platform.ts';
import { type CapacityMeasurement, type MeasuredRun, PLATFORM_PARTS } from './capacity-measurement.ts';
import { predictCosts, utilizationOn } from './capacity-model.ts';
import { capacitySheet, planCapacity } from './capacity-sheet.ts';
import { measureRun, type RunOrder } from './measure-run.ts';

const DEFAULTS = {
  'events-per-second': '5000',
  devices: '10000',
  'payload-bytes': '100',
  /** 0: one value for each twenty bytes. */
  values: '0',
  utilization: '0.6',
  /** GATEWAY_CONNECTIONS_MAX. */
  'connections-per-gateway': '20000',
  spare: '1',
  'outage-minutes': '10',
  'retention-days': '30',
  'kafka-retention-hours': '72',
  replicas: '3',
  'broker-megabytes-per-second': '30',
  'core-hour-price': '0',
  'memory-gib-month-price': '0',
  'disk-gib-month-price': '0',
  constants: 'docs/measurements/capacity.json',
  /** Measures the constants anew, into this file. */
  measure: '',
  /** Of --measure: what else the machine did. */
  note: 'the machine did nothing else',
  /** `yes` compares prediction and measurement of two further runs. */
  check: '',
  /** Of --measure and --check: more than the machine can take, and for how long. */
  rate: '40000',
  seconds: '15',
} as const;

type Arguments = Readonly<Record<keyof typeof DEFAULTS, string>>;

const BYTES_PER_VALUE = 20;
const TOLERANCE = 0.2;
const PERCENT = 100;

/** Runs that the constants are taken from. `half` is the base at half of the rate that the base had. */
const BASE = { devices: 500, valueGroups: 1 } as const;
const MANY_DEVICES = { devices: 5_000, valueGroups: 1 } as const;
const LARGE_PAYLOAD = { devices: 500, valueGroups: 5 } as const;
/** Runs that the model has not seen: other devices, other payloads, and one below what the machine can take. */
const CHECKED = [
  { devices: 2_000, valueGroups: 3, rateShare: 1 },
  { devices: 1_000, valueGroups: 2, rateShare: 0.6 },
] as const;

/**
 * `npm run capacity`: what a load needs, from constants that were measured. `-- --measure FILE` measures them,
 * `-- --check yes` compares two further runs with what they should take.
 */
export async function runCapacity(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  if (args.measure !== '') return measureConstants(args);
  const measured = JSON.parse(await readFile(args.constants, 'utf8')) as CapacityMeasurement;
  if (args.check !== '') return checkConstants(args, measured);
  const number = (name: keyof typeof DEFAULTS): number => positiveNumber(name, args[name]);
  const orZero = (name: keyof typeof DEFAULTS): number => numberFromZero(name, args[name]);
  const payloadBytes = number('payload-bytes');
  const load = {
    eventsPerSecond: number('events-per-second'),
    devices: number('devices'),
    payloadBytes,
    valuesPerEvent: orZero('values') || Math.max(1, Math.round(payloadBytes / BYTES_PER_VALUE)),
    utilization: Math.min(1, number('utilization')),
  };
  const plan = planCapacity(measured, load, {
    connectionsPerGateway: number('connections-per-gateway'),
    spare: orZero('spare'),
    outageMinutes: orZero('outage-minutes'),
    retentionDays: number('retention-days'),
    kafkaRetentionHours: number('kafka-retention-hours'),
    replicas: number('replicas'),
    brokerMegabytesPerSecond: number('broker-megabytes-per-second'),
    coreHourPrice: orZero('core-hour-price'),
    memoryGibMonthPrice: orZero('memory-gib-month-price'),
    diskGibMonthPrice: orZero('disk-gib-month-price'),
  });
  say(capacitySheet(plan, load, { measured, file: args.constants }));
}

async function measureConstants(args: Arguments): Promise<void> {
  const order = {
    eventsPerSecond: positiveNumber('rate', args.rate),
    seconds: positiveNumber('seconds', args.seconds),
  };
  const facts = await factsOfAPlatform();
  const base = await measured('base', { ...order, ...BASE });
  const devices = await measured('devices', { ...order, ...MANY_DEVICES });
  const payload = await measured('payload', { ...order, ...LARGE_PAYLOAD });
  const half = await measured('half', { ...order, ...BASE, eventsPerSecond: Math.round(base.eventsPerSecond / 2) });
  const measurement: CapacityMeasurement = {
    date: new Date().toISOString(),
    ...facts,
    note: args.note,
    runs: { base, devices, payload, half },
  };
  await writeFile(args.measure, `${JSON.stringify(measurement, null, 2)}\n`);
}

async function checkConstants(args: Arguments, constants: CapacityMeasurement): Promise<void> {
  const rows: string[] = [];
  let isWithin = true;
  for (const { rateShare, ...kind } of CHECKED) {
    const full = positiveNumber('rate', args.rate);
    const eventsPerSecond = rateShare === 1 ? full : Math.round(constants.runs.base.eventsPerSecond * rateShare);
    const run = await measured('check', { ...kind, eventsPerSecond, seconds: positiveNumber('seconds', args.seconds) });
    const name = `${run.devices} devices, ${run.payloadBytes} bytes, ${Math.round(run.eventsPerSecond)}/s`;
    for (const [figure, predicted, found] of comparisons(constants, run)) {
      const error = (predicted - found) / found;
      const isJudged = !figure.startsWith('CPU of ');
      if (isJudged && Math.abs(error) > TOLERANCE) isWithin = false;
      const verdict = isJudged ? (Math.abs(error) <= TOLERANCE ? 'within 20 %' : 'MISSED') : '';
      rows.push(`| ${[name, figure, predicted.toFixed(1), found.toFixed(1), percent(error), verdict].join(' | ')} |`);
    }
  }
  say('\n| run | figure | predicted | measured | error | |\n| --- | --- | --- | --- | --- | --- |');
  say(rows.join('\n'));
  say(isWithin ? '\nall sums within 20 %' : '\nnot all sums within 20 %');
  if (!isWithin) process.exitCode = 1;
}

function comparisons(constants: CapacityMeasurement, run: MeasuredRun): readonly (readonly [string, number, number])[] {
  const utilization = utilizationOn(constants, run);
  const predicted = predictCosts(constants, { ...run, utilization });
  const sum = PLATFORM_PARTS.reduce((total, part) => total + run.cpu[part], 0);
  const mebibytes = 1024 ** 2;
  return [
    ['CPU seconds per million', predicted.cpuSum, sum],
    ...PLATFORM_PARTS.map((part) => [`CPU of ${part}`, predicted.cpu[part], run.cpu[part]] as const),
    ['Redis without the log, MiB', predicted.redisBytes / mebibytes, run.redisBytes / mebibytes],
    ['log, bytes per event', predicted.logBytesPerEvent, run.logBytesPerEvent],
    ['log, memory per event', predicted.logMemoryPerEvent, run.logMemoryPerEvent],
    ['disk, bytes per event', predicted.diskBytesPerEvent, run.diskBytesPerEvent],
  ];
}

async function measured(name: string, order: RunOrder): Promise<MeasuredRun> {
  say(
    `${new Date().toISOString().slice(11, 19)} ${name}: ${order.devices} devices, ${order.eventsPerSecond}/s offered`,
  );
  return measureRun(order);
}

async function factsOfAPlatform(): ReturnType<typeof machineFacts> {
  const platform = await StormPlatform.start();
  try {
    return await machineFacts(platform);
  } finally {
    await platform.stop();
  }
}

function percent(share: number): string {
  return `${share > 0 ? '+' : ''}${Math.round(share * PERCENT)} %`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
