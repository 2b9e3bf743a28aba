import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { ArgumentInvalid, positiveNumber, readArguments } from '../command-line.ts';
import { spreadOf } from '../mqtt/paired-ratio.ts';
import { measureRows, type RowsMeasurement, type RowsRun } from './measure-rows.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DEFAULTS = {
  rates: 'backlog,20000,30000',
  records: '1000000',
  seconds: '20',
  devices: '500',
  rounds: '1',
  against: '',
  profile: '',
  json: '',
} as const;

interface Side {
  readonly name: string;
  readonly root: string;
}

/**
 * CPU of the writer and the embedded ClickHouse alone, per record of five values: drained from a backlog, and fed by
 * an open loop. `--against DIR` runs a second checkout in turns with this one: A B, B A, …
 */
export async function runRowsBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const rounds = positiveNumber('rounds', args.rounds);
  const sides: readonly Side[] = [
    { name: 'this', root: ROOT },
    ...(args.against === '' ? [] : [{ name: 'against', root: args.against }]),
  ];
  const results: (RowsMeasurement & { readonly side: string })[] = [];
  for (const rate of args.rates.split(',')) {
    const run: RowsRun = {
      load: rate,
      perSecond: rate === 'backlog' ? null : positiveNumber('rates', rate),
      records: positiveNumber('records', args.records),
      seconds: positiveNumber('seconds', args.seconds),
      devices: positiveNumber('devices', args.devices),
      profileDir: args.profile,
    };
    for (let round = 0; round < rounds; round += 1) {
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const result = { side: side.name, ...(await measureRows(side.root, run)) };
        results.push(result);
        say(lineOf(result));
      }
    }
  }
  for (const text of summaryOf(results)) say(text);
  if (args.json !== '') await writeFile(args.json, `${JSON.stringify(results, null, 2)}\n`);
  if (results.some(({ rowsMissing }) => rowsMissing !== 0)) throw new ArgumentInvalid('rows are missing or repeated');
}

function lineOf(result: RowsMeasurement & { readonly side: string }): string {
  const cpu = Object.entries(result.cpuSecondsPerMillion).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  const peak = Object.entries(result.peakMegabytes).map(([name, value]) => `${name} ${value.toFixed(0)}`);
  const bytes = Object.entries(result.bytesPerRow).map(([name, value]) => `${name} ${value.toFixed(1)}`);
  const { p50, p99 } = result.deviceToRowMs;
  return (
    `${result.load} ${result.side}: ${Math.round(result.recordsPerSecond)} records/s; CPU s/M: ${cpu.join(', ')}; ` +
    `row p50/p99 ${Math.round(p50)}/${Math.round(p99)} ms; MB: ${peak.join(', ')}; bytes per raw row: ` +
    `${bytes.join(', ')}; parts ${result.parts}; rounds ${result.rounds}; rows missing ${result.rowsMissing}`
  );
}

function summaryOf(results: readonly (RowsMeasurement & { readonly side: string })[]): readonly string[] {
  const groups = Map.groupBy(results, ({ load, side }) => `${load} ${side}`);
  return [...groups].map(([name, group]) => {
    const parts = ['telemetry-writer', 'embedded-clickhouse'].map((part) => {
      const { min, median, max } = spreadOf(group.map((result) => result.cpuSecondsPerMillion[part] ?? Number.NaN));
      return `${part} ${min.toFixed(2)} / ${median.toFixed(2)} / ${max.toFixed(2)}`;
    });
    return `${name}: CPU s/M min / median / max: ${parts.join('; ')}`;
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
