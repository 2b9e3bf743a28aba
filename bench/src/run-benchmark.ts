import { writeFile } from 'node:fs/promises';

import { positiveNumber, readArguments } from './command-line.ts';
import { type Aftermath, brokenPromises } from './storm/checks/broken-promises.ts';
import { machineFacts, type MachineFacts } from './storm/machine-facts.ts';
import { type HeldRate, holdRate } from './storm/parts/hold-rate.ts';
import { type Costs, costsOf } from './storm/parts/process-costs.ts';
import type { Quantiles } from './storm/platform/platform-latencies.ts';
import { StormPlatform } from './storm/platform/storm-platform.ts';
import { printCosts, printFacts } from './storm/print-storm.ts';

const DEFAULTS = { rate: '10000', seconds: '60', devices: '500', json: '' } as const;
const NAME_COLUMNS = 28;

interface Benchmark extends MachineFacts, Costs, Omit<HeldRate, 'usage'> {
  readonly date: string;
  readonly devices: number;
  readonly after: Aftermath;
  readonly broken: readonly string[];
}

/** `npm run bench`: one rate, with the load, the measures and the checks of the storm. */
export async function runPlatformBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const eventsPerSecond = positiveNumber('rate', args.rate);
  const seconds = positiveNumber('seconds', args.seconds);
  const devices = positiveNumber('devices', args.devices);
  say(`starting a fresh embedded platform, then ${eventsPerSecond} events/s from ${devices} devices for ${seconds} s`);
  const platform = await StormPlatform.start();
  try {
    await platform.openDevices('bench', devices);
    const { usage, ...held } = await holdRate(platform, { eventsPerSecond, seconds });
    say('checking every acknowledged event against the stored rows, and every twin');
    const after = await platform.checkAll(usage);
    const result: Benchmark = {
      date: new Date().toISOString(),
      ...(await machineFacts(platform)),
      devices,
      ...held,
      ...costsOf(usage, held.events),
      after,
      broken: brokenPromises('bench', after),
    };
    print(result);
    if (args.json !== '') await writeFile(args.json, `${JSON.stringify(result, null, 2)}\n`);
    if (result.broken.length > 0) process.exitCode = 1;
  } finally {
    await platform.stop();
  }
}

function print(result: Benchmark): void {
  const row = (name: string, value: string): void => say(`  ${name.padEnd(NAME_COLUMNS)}${value}`);
  const { after } = result;
  printFacts(result, say);
  row('offered', `${result.offeredPerSecond} events/s for ${result.seconds} s from ${result.devices} devices`);
  row('acknowledged', `${result.acknowledgedPerSecond}/s`);
  row('PUBACK p50 / p99', pair(result.pubackMs));
  row('device → twin p50 / p99', pair(result.twinMs));
  row('device → row p50 / p99', pair(result.rowMs));
  row('backlog early / late', `${result.firstSeconds.toFixed(2)} / ${result.lastSeconds.toFixed(2)} s`);
  row('drained after', `${result.drainSeconds.toFixed(2)} s`);
  printCosts(result, say);
  say(
    `\n  ${after.rows.acknowledged} events acknowledged, ${after.rows.stored} stored, ${after.rows.lost} lost, ` +
      `${after.rows.duplicated} duplicated, ${after.twins.wrongTwins} wrong twins`,
  );
  for (const sentence of [...after.rows.examples, ...after.twins.examples, ...result.broken]) say(`    ${sentence}`);
}

function pair({ p50, p99 }: Quantiles): string {
  return `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
