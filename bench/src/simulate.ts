import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import pc from 'picocolors';

import { ArgumentInvalid, positiveNumber, readArguments, runProgram } from './command-line.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import type { LoadProgress } from './load-generator.ts';
import { Forbidden, PlatformClient, type LedgerTotals } from './platform-client.ts';
import { runLoad } from './run-load.ts';

const DEFAULTS = {
  devices: '200',
  rate: '500',
  seconds: '30',
  url: `http://127.0.0.1:${process.env['HTTP_PORT'] ?? '3000'}`,
  mqtt: '',
  key: process.env['ADMIN_API_KEY'] ?? '',
} as const;

const MQTT_PORT_DEFAULT = 1883;
const LINE_EVERY_MS = 1_000;
const SETTLE_TIMEOUT_MS = 60_000;
/** How long the summary waits for the last events to reach twins and rows. */
const DRAIN_TIMEOUT_MS = 60_000;

void runProgram(async () => {
  const args = readArguments(DEFAULTS, process.argv.slice(2));
  const devices = positiveNumber('devices', args.devices);
  const rate = positiveNumber('rate', args.rate);
  const seconds = positiveNumber('seconds', args.seconds);
  const broker = brokerOf(args.mqtt, args.url);
  const client = new PlatformClient({ url: args.url, key: args.key || (await keyOfDataDir()) });

  say(`registering ${devices} simulated devices at ${args.url}`);
  const logins = await client.registerDevices(`sim-${Date.now().toString(36)}`, devices);
  const before = await ledgerIfAllowed(client);
  if (before === null) say(pc.yellow('this key may not read the ledger: what is applied and stored is not shown'));
  say(`connecting them to ${broker.host}:${broker.port}, then ${rate} events/s for ${seconds} s`);

  let waiting: { readonly ledger: LedgerTotals | null } | null = null;
  const reading = setInterval(() => {
    ledgerIfAllowed(client).then(
      (ledger) => {
        waiting = { ledger };
      },
      (error: unknown) => say(pc.yellow(`the ledger cannot be read: ${String(error)}`)),
    );
  }, LINE_EVERY_MS);
  const order = {
    logins,
    ...broker,
    phases: [{ eventsPerSecond: rate, seconds }],
    settleTimeoutMs: SETTLE_TIMEOUT_MS,
    commands: 'mixed' as const,
  };
  const result = await runLoad(order, {
    started: () => undefined,
    connected: () => {
      say(pc.green(`${devices} devices are connected`));
      say(`they take commands: POST /api/v1/devices/${logins[0]?.id ?? ''}/commands {"method":"reboot"}`);
    },
    // The ledger is older than what it is printed with, so that no line shows more applied than sent.
    progress: (progress) => {
      if (waiting !== null) line(progress, before, waiting.ledger);
      waiting = null;
    },
  });
  clearInterval(reading);
  const after = before === null ? null : await drained(client);
  summary(result.progress, result.unacknowledged, before, after);
  if (result.unacknowledged > 0) process.exitCode = 1;
});

async function drained(client: PlatformClient): Promise<LedgerTotals> {
  const endMs = Date.now() + DRAIN_TIMEOUT_MS;
  for (;;) {
    const ledger = await client.ledger();
    if ((ledger.twinLag === 0 && ledger.writerLag === 0) || Date.now() > endMs) return ledger;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function line(progress: LoadProgress, before: LedgerTotals | null, now: LedgerTotals | null): void {
  const p99Ms = new LatencyHistogram(progress.latency).quantile(0.99);
  const ledger =
    before === null || now === null
      ? ''
      : `applied ${now.telemetryApplied - before.telemetryApplied}  ` +
        `stored ${now.telemetryStored - before.telemetryStored}  lag ${now.twinLag} twins, ${now.writerLag} rows  `;
  const commands = progress.commands === 0 ? '' : `commands ${progress.commands}  `;
  say(`sent ${progress.sent}  acknowledged ${progress.acknowledged}  ${commands}${ledger}p99 ${p99Ms.toFixed(1)} ms`);
}

function summary(
  progress: LoadProgress,
  unacknowledged: number,
  before: LedgerTotals | null,
  after: LedgerTotals | null,
): void {
  const latency = new LatencyHistogram(progress.latency);
  const lag = after === null ? 0 : after.twinLag + after.writerLag;
  const skipped = progress.skipped > 0 ? ` (${progress.skipped} not sent: over the limit of unacknowledged)` : '';
  say('');
  say(unacknowledged + lag === 0 ? pc.green('done') : pc.yellow('done, with something left over'));
  say(`  sent            ${progress.sent}${skipped}`);
  say(
    `  acknowledged    ${progress.acknowledged} (${unacknowledged} without an answer, ${progress.reconnects} reconnects)`,
  );
  say(`  PUBACK          p50 ${latency.quantile(0.5).toFixed(1)} ms, p99 ${latency.quantile(0.99).toFixed(1)} ms`);
  say(`  commands        ${progress.commands} ended by devices`);
  if (before === null || after === null) return;
  say(`  applied         ${after.telemetryApplied - before.telemetryApplied} to twins, ${after.twinLag} waiting`);
  say(`  stored          ${after.telemetryStored - before.telemetryStored} in ClickHouse, ${after.writerLag} waiting`);
}

async function ledgerIfAllowed(client: PlatformClient): Promise<LedgerTotals | null> {
  try {
    return await client.ledger();
  } catch (error) {
    if (error instanceof Forbidden) return null;
    throw error;
  }
}

function brokerOf(mqtt: string, url: string): { host: string; port: number } {
  if (mqtt === '') return { host: new URL(url).hostname, port: Number(process.env['MQTT_PORT'] ?? MQTT_PORT_DEFAULT) };
  const parsed = URL.canParse(mqtt) ? new URL(mqtt) : null;
  if (parsed?.protocol !== 'mqtt:') throw new ArgumentInvalid(`--mqtt needs mqtt://host:port, not ${mqtt}`);
  return { host: parsed.hostname, port: Number(parsed.port || MQTT_PORT_DEFAULT) };
}

async function keyOfDataDir(): Promise<string> {
  const path = join(process.env['DATA_DIR'] ?? './data', 'admin-key');
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    throw new ArgumentInvalid(
      `no key: give --key or ADMIN_API_KEY (${path} is not there; does the platform run here?)`,
    );
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
