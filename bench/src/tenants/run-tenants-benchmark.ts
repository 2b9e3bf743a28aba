import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';

import { positiveNumber, readArguments } from '../command-line.ts';
import { Installation } from '../installation.ts';
import { LatencyHistogram } from '../latency-histogram.ts';
import { PlatformClient } from '../platform-client.ts';
import { runLoad } from '../run-load.ts';
import type { DeviceLogin } from '../simulated-device.ts';
import { TwinProbe } from './twin-probe.ts';

const DEFAULTS = {
  devices: '50',
  share: '1000',
  times: '10',
  quiet: '200',
  rounds: '2',
  seconds: '30',
  json: '',
} as const;
/** The quiet tenant has so many devices. */
const QUIET_DEVICES = 20;
/** What the loud tenant has not got through by the end of a phase is not waited for: its devices are gone then. */
const LOUD_SETTLE_MS = 1;
const QUIET_SETTLE_MS = 30_000;
/** Between two phases, so that none works off what the one before left. */
const PAUSE_MS = 3_000;
const P99 = 0.99;
const P50 = 0.5;

type Options = Readonly<Record<'devices' | 'share' | 'times' | 'quiet' | 'rounds' | 'seconds', number>>;

interface Phase {
  readonly isLoud: boolean;
  readonly pubackMs: { readonly p50: number; readonly p99: number };
  readonly twinMs: { readonly p50: number; readonly p99: number };
  readonly loudAcknowledgedPerSecond: number;
}

interface Setting {
  readonly installation: Installation;
  readonly probe: TwinProbe;
  readonly quiet: readonly DeviceLogin[];
  readonly loud: readonly DeviceLogin[];
  readonly options: Options;
}

/**
 * `npm run bench -- tenants`: how much one tenant feels of another one. Both have the same limit. In the quiet phases
 * the other tenant sends exactly its share, in the noisy ones many times as much; between two quiet phases there is
 * always a noisy one, and a noisy phase is compared with the two around it, so that what slows the machine for a while
 * slows both sides.
 */
export async function runTenantsBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const number = (name: keyof Options): number => positiveNumber(name, args[name]);
  const options: Options = {
    devices: number('devices'),
    share: number('share'),
    times: number('times'),
    quiet: number('quiet'),
    rounds: number('rounds'),
    seconds: number('seconds'),
  };
  const installation = await Installation.start({
    env: { GATEWAY_TENANT_PUBLISHES_PER_SECOND_MAX: String(options.share), EMBEDDED_TEMPORAL: 'off' },
  });
  try {
    const phases = await measure(installation, options);
    const result = { options, cores: cpus().length, node: process.version, phases, ...ratiosOf(phases) };
    print(result);
    if (args.json !== '') await writeFile(args.json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await installation.stopAndTell((text) => process.stderr.write(`\n${text}\n`));
  }
}

async function measure(installation: Installation, options: Options): Promise<readonly Phase[]> {
  const quietTenant = await tenantOf(installation, 'quiet');
  const loudTenant = await tenantOf(installation, 'loud');
  const [login] = await quietTenant.registerDevices('probe', 1);
  if (login === undefined) throw new Error('no device to probe with');
  const probe = new TwinProbe({ client: quietTenant, login, port: installation.mqttPort });
  await probe.connect();
  const setting = {
    installation,
    probe,
    quiet: await quietTenant.registerDevices('quiet', QUIET_DEVICES),
    loud: await loudTenant.registerDevices('loud', options.devices),
    options,
  };
  try {
    // One round that only warms up.
    await runPhase(setting, false);
    const phases = [await runPhase(setting, false)];
    for (let round = 0; round < options.rounds; round++) {
      phases.push(await runPhase(setting, true), await runPhase(setting, false));
    }
    return phases;
  } finally {
    probe.close();
  }
}

async function tenantOf(installation: Installation, id: string): Promise<PlatformClient> {
  const response = await fetch(`${installation.url}/api/v1/tenants`, {
    method: 'POST',
    headers: { authorization: `Bearer ${installation.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ id }),
  });
  if (!response.ok) throw new Error(`the tenant ${id} was not made: ${response.status} ${await response.text()}`);
  const { apiKey } = (await response.json()) as { apiKey: string };
  return new PlatformClient({ url: installation.url, key: apiKey });
}

async function runPhase(setting: Setting, isLoud: boolean): Promise<Phase> {
  const { installation, probe, quiet, loud, options } = setting;
  const { seconds } = options;
  const load = (logins: readonly DeviceLogin[], eventsPerSecond: number, settleTimeoutMs: number) =>
    runLoad(
      {
        logins,
        host: '127.0.0.1',
        port: installation.mqttPort,
        phases: [{ eventsPerSecond, seconds }],
        settleTimeoutMs,
      },
      { started: () => undefined, connected: () => undefined, progress: () => undefined },
    );
  const [quietResult, loudResult, twin] = await Promise.all([
    load(quiet, options.quiet, QUIET_SETTLE_MS),
    load(loud, isLoud ? options.share * options.times : options.share, LOUD_SETTLE_MS),
    probe.measure(seconds * 1_000),
  ]);
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  const puback = new LatencyHistogram(quietResult.progress.latency);
  return {
    isLoud,
    pubackMs: quantiles(puback),
    twinMs: quantiles(twin),
    loudAcknowledgedPerSecond: Math.round(loudResult.progress.acknowledged / seconds),
  };
}

function quantiles(latency: LatencyHistogram): { readonly p50: number; readonly p99: number } {
  return { p50: latency.quantile(P50), p99: latency.quantile(P99) };
}

/** Each noisy phase against the mean of the two quiet ones around it. */
export function ratiosOf(phases: readonly Phase[]): {
  readonly pubackP99Ratios: readonly number[];
  readonly twinP99Ratios: readonly number[];
} {
  const ratios = (value: (phase: Phase) => number): readonly number[] =>
    phases.flatMap((phase, at) => {
      const [before, after] = [phases[at - 1], phases[at + 1]];
      if (!phase.isLoud || before === undefined || after === undefined) return [];
      return [value(phase) / ((value(before) + value(after)) / 2)];
    });
  return { pubackP99Ratios: ratios(({ pubackMs }) => pubackMs.p99), twinP99Ratios: ratios(({ twinMs }) => twinMs.p99) };
}

function print(result: {
  readonly options: Options;
  readonly phases: readonly Phase[];
  readonly pubackP99Ratios: readonly number[];
  readonly twinP99Ratios: readonly number[];
}): void {
  const { options, phases } = result;
  const lines = [
    `A tenant with ${options.quiet} events/s beside one that may send ${options.share}/s,`,
    `and in the noisy phases offers ${options.times} times as much`,
    '',
    'phase    loud tenant, acknowledged/s   PUBACK p50 / p99   device to reader of the twin p50 / p99',
  ];
  for (const { isLoud, pubackMs, twinMs, loudAcknowledgedPerSecond } of phases) {
    const pair = ({ p50, p99 }: { p50: number; p99: number }): string => `${p50.toFixed(1)} / ${p99.toFixed(1)} ms`;
    const name = (isLoud ? 'noisy' : 'quiet').padEnd(9);
    const cells = [
      String(loudAcknowledgedPerSecond).padStart(27),
      pair(pubackMs).padStart(19),
      pair(twinMs).padStart(41),
    ];
    lines.push(`${name}${cells.join('')}`);
  }
  const percent = (ratios: readonly number[]): string =>
    ratios.map((ratio) => `${((ratio - 1) * 100).toFixed(0)} %`).join(', ');
  lines.push(
    '',
    `PUBACK p99 moved by ${percent(result.pubackP99Ratios)}; twin p99 by ${percent(result.twinP99Ratios)}`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
}
