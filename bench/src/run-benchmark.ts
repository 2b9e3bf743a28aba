import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';

import { createClient } from '@clickhouse/client';

import { positiveNumber, readArguments } from './command-line.ts';
import { Installation } from './installation.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import { PlatformClient, type LedgerTotals } from './platform-client.ts';
import { ProcessSampler, type ProcessUsage } from './process-sampler.ts';
import { PrometheusHistogram } from './prometheus-histogram.ts';
import { checkRows, type RowCheck } from './row-check.ts';
import { runLoad, type LoadResult } from './run-load.ts';

const DEFAULTS = { rate: '10000', seconds: '60', devices: '500', json: '' } as const;

const SETTLE_TIMEOUT_MS = 120_000;
const DRAIN_TIMEOUT_MS = 120_000;
const DRAIN_POLL_MS = 100;
const MB = 1024 * 1024;
const MILLION = 1_000_000;

interface Benchmark {
  readonly hardware: string;
  readonly offeredPerSecond: number;
  readonly seconds: number;
  readonly devices: number;
  readonly acknowledgedPerSecond: number;
  readonly pubackMs: Quantiles;
  readonly deviceToTwinMs: Quantiles;
  readonly deviceToRowMs: Quantiles;
  /** From the end of the load until twins and rows had everything. */
  readonly drainMs: number;
  readonly processes: readonly (ProcessUsage & { readonly cpuSecondsPerMillion: number })[];
  readonly ledger: LedgerTotals;
  readonly rows: RowCheck;
  readonly reconnects: number;
  readonly skipped: number;
  readonly unacknowledged: number;
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

export async function runPlatformBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const rate = positiveNumber('rate', args.rate);
  const seconds = positiveNumber('seconds', args.seconds);
  const devices = positiveNumber('devices', args.devices);
  say(`starting a fresh embedded platform, then ${rate} events/s from ${devices} devices for ${seconds} s`);
  const installation = await Installation.start();
  try {
    const result = await measure(installation, { rate, seconds, devices });
    print(result);
    if (args.json !== '') await writeFile(args.json, `${JSON.stringify(result, null, 2)}\n`);
    if (result.rows.lost + result.rows.duplicated + result.rows.incomplete > 0) process.exitCode = 1;
  } finally {
    await installation.stop();
    await installation.remove();
  }
}

async function measure(
  installation: Installation,
  load: { readonly rate: number; readonly seconds: number; readonly devices: number },
): Promise<Benchmark> {
  const client = new PlatformClient(installation);
  const logins = await client.registerDevices('bench', load.devices);
  const pids = new Map([...(await installation.parts())].map(([name, part]) => [name, part.pid]));
  pids.set('supervisor', installation.pid);
  let sampler: ProcessSampler | null = null;
  let startMs = 0;
  let endMs = 0;
  const before = await readHistograms(installation);
  const order = {
    logins,
    host: '127.0.0.1',
    port: installation.mqttPort,
    phases: [{ eventsPerSecond: load.rate, seconds: load.seconds }],
    settleTimeoutMs: SETTLE_TIMEOUT_MS,
  };
  const result = await runLoad(order, {
    started: (pid) => pids.set('load generator', pid),
    connected: () => {
      startMs = Date.now();
      sampler = new ProcessSampler(() => pids);
    },
    progress: (progress) => {
      endMs = Date.now();
      live(progress.sent, progress.acknowledged, (endMs - startMs) / 1000);
    },
  });
  endMs = Date.now();
  const ledger = await drained(client);
  const drainMs = Date.now() - endMs;
  const usage = (sampler as ProcessSampler | null)?.stop() ?? [];
  const after = await readHistograms(installation, before);
  say('\nchecking every acknowledged event against the stored rows');
  const rows = await checkRows(await clickhouseOf(installation), result.acknowledged);
  return report({ load, result, ledger, usage, rows, drainMs, seconds: (endMs - startMs) / 1000, ...after });
}

function report(run: {
  readonly load: { readonly rate: number; readonly seconds: number; readonly devices: number };
  readonly result: LoadResult;
  readonly ledger: LedgerTotals;
  readonly usage: readonly ProcessUsage[];
  readonly rows: RowCheck;
  readonly drainMs: number;
  readonly seconds: number;
  readonly twin: PrometheusHistogram;
  readonly row: PrometheusHistogram;
}): Benchmark {
  const { progress } = run.result;
  const latency = new LatencyHistogram(progress.latency);
  const millions = Math.max(progress.acknowledged, 1) / MILLION;
  return {
    hardware: `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / MB / 1024)} GB`,
    offeredPerSecond: run.load.rate,
    seconds: run.load.seconds,
    devices: run.load.devices,
    acknowledgedPerSecond: Math.round(progress.acknowledged / run.seconds),
    pubackMs: { p50: latency.quantile(0.5), p99: latency.quantile(0.99) },
    deviceToTwinMs: inMs(run.twin),
    deviceToRowMs: inMs(run.row),
    drainMs: run.drainMs,
    processes: run.usage.map((usage) => ({ ...usage, cpuSecondsPerMillion: usage.cpuSeconds / millions })),
    ledger: run.ledger,
    rows: run.rows,
    reconnects: progress.reconnects,
    skipped: progress.skipped,
    unacknowledged: run.result.unacknowledged,
  };
}

async function drained(client: PlatformClient): Promise<LedgerTotals> {
  const endMs = Date.now() + DRAIN_TIMEOUT_MS;
  for (;;) {
    const ledger = await client.ledger();
    if (ledger.twinLag === 0 && ledger.writerLag === 0) return ledger;
    if (Date.now() > endMs) throw new Error(`not drained within ${DRAIN_TIMEOUT_MS} ms: ${JSON.stringify(ledger)}`);
    await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
  }
}

interface Histograms {
  readonly twin: PrometheusHistogram;
  readonly row: PrometheusHistogram;
  readonly pages: ReadonlyMap<string, string>;
}

/** The histograms of all parts; less what they held at `since`. */
async function readHistograms(installation: Installation, since?: Histograms): Promise<Histograms> {
  const twin = new PrometheusHistogram();
  const row = new PrometheusHistogram();
  const pages = new Map<string, string>();
  for (const [name, part] of await installation.parts()) {
    const port = part.ports['metrics'];
    if (port === undefined) continue;
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    pages.set(name, page);
    const earlier = since?.pages.get(name) ?? '';
    for (const [histogram, series] of [
      [twin, 'breakwater_device_to_twin_seconds'],
      [row, 'breakwater_device_to_row_seconds'],
    ] as const) {
      histogram.add(page, series);
      histogram.add(earlier, series, -1);
    }
  }
  return { twin, row, pages };
}

async function clickhouseOf(installation: Installation) {
  const port = (await installation.parts()).get('embedded-clickhouse')?.ports['clickhouse'];
  if (port === undefined) throw new Error('run.json names no port of embedded-clickhouse');
  return createClient({ url: `http://127.0.0.1:${port}`, database: 'breakwater' });
}

function inMs(histogram: PrometheusHistogram): Quantiles {
  return { p50: histogram.quantile(0.5) * 1000, p99: histogram.quantile(0.99) * 1000 };
}

function print(result: Benchmark): void {
  const row = (name: string, value: string) => say(`  ${name.padEnd(28)}${value}`);
  say(`\n${result.hardware}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`);
  row('offered', `${result.offeredPerSecond} events/s for ${result.seconds} s from ${result.devices} devices`);
  row('acknowledged', `${result.acknowledgedPerSecond}/s`);
  for (const [name, quantiles] of [
    ['PUBACK', result.pubackMs],
    ['device → twin', result.deviceToTwinMs],
    ['device → row', result.deviceToRowMs],
  ] as const) {
    row(`${name} p50 / p99`, `${quantiles.p50.toFixed(0)} / ${quantiles.p99.toFixed(0)} ms`);
  }
  row('drained after', `${result.drainMs} ms`);
  row('reconnects, skipped', `${result.reconnects}, ${result.skipped}`);
  say(`\n  ${'process'.padEnd(26)}${'CPU s'.padStart(8)}${'per million'.padStart(13)}${'peak MB'.padStart(9)}`);
  for (const usage of result.processes) {
    say(
      `  ${usage.name.padEnd(26)}${usage.cpuSeconds.toFixed(1).padStart(8)}` +
        `${usage.cpuSecondsPerMillion.toFixed(1).padStart(13)}${(usage.peakBytes / MB).toFixed(0).padStart(9)}`,
    );
  }
  const own = result.processes.filter((usage) => usage.name !== 'load generator');
  const sum = own.reduce((total, usage) => total + usage.cpuSecondsPerMillion, 0);
  say(`  ${'sum without the generator'.padEnd(34)}${sum.toFixed(1).padStart(13)}`);
  const { rows } = result;
  say(`\n  ledger: ${JSON.stringify(result.ledger)}`);
  say(
    `  rows: ${rows.eventsAcknowledged} events acknowledged, ${rows.eventsStored} stored, ${rows.lost} lost, ` +
      `${rows.duplicated} duplicated, ${rows.incomplete} incomplete`,
  );
  for (const example of rows.examples) say(`    ${example}`);
}

function live(sent: number, acknowledged: number, seconds: number): void {
  if (process.stdout.isTTY)
    process.stdout.write(`\r  ${seconds.toFixed(0)} s: sent ${sent}, acknowledged ${acknowledged}   `);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
