import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';

import { commandWorkflowId } from '@breakwater/wire';

import { positiveNumber, readArguments } from '../command-line.ts';
import { Installation } from '../installation.ts';
import { LatencyHistogram } from '../latency-histogram.ts';
import { LoadGenerator } from '../load-generator.ts';
import { measureBetween, measurePairs, type Paired, type Spread } from '../mqtt/paired-ratio.ts';
import { PlatformClient } from '../platform-client.ts';
import { ProcessSampler, type ProcessUsage } from '../process-sampler.ts';
import { runLoad } from '../run-load.ts';
import { allOf, atRate } from './all-of.ts';
import { type BesideBacklog, besideBacklog } from './beside-backlog.ts';
import { EmptyWorkflows } from './empty-workflows.ts';

const DEFAULTS = {
  devices: '200',
  commands: '300',
  inflight: '50',
  pairs: '3',
  events: '5000',
  backlog: '1000000',
  seconds: '10',
  json: '',
} as const;

/** The backlog stands in Redis. */
const ROOM = { REDIS_MEMORY_MB: '2048' };
const TENANT = 'default';
const NAMESPACE = 'breakwater';
/** The API answers at the end of a command, or after this. */
const WAIT_SECONDS = 60;
const SETTLE_TIMEOUT_MS = 60_000;
const EVENT_DEVICES = 100;
/** Of the rate that was measured alone. */
const SHARE_BESIDE_EVENTS = 0.25;
const GIB = 1024 ** 3;

type Options = Readonly<
  Record<'devices' | 'commands' | 'inflight' | 'pairs' | 'events' | 'backlog' | 'seconds', number>
>;

interface Beside {
  readonly commandsPerSecond: number;
  readonly commandMs: Quantiles;
  readonly aloneP99Ms: Spread;
  readonly besideP99Ms: Spread;
  readonly ratio: Spread;
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

/** `npm run bench -- commands`: commands through the whole path, against empty workflows on the same Temporal. */
export async function runCommandsBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const number = (name: keyof Options): number => positiveNumber(name, args[name]);
  const options: Options = {
    devices: number('devices'),
    commands: number('commands'),
    inflight: number('inflight'),
    pairs: number('pairs'),
    events: number('events'),
    backlog: args.backlog === '0' ? 0 : number('backlog'),
    seconds: number('seconds'),
  };
  say(`starting a fresh embedded platform with Temporal, ${options.devices} devices that answer at once`);
  const installation = await Installation.start({ env: ROOM });
  try {
    const result = await measure(installation, options);
    if (args.json !== '') await writeFile(args.json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await installation.stopAndTell((text) => process.stderr.write(`\n${text}\n`));
  }
}

async function measure(installation: Installation, options: Options): Promise<object> {
  const client = new PlatformClient(installation);
  const temporal = await temporalOf(installation);
  const empty = await EmptyWorkflows.start(temporal, NAMESPACE);
  const logins = await client.registerDevices('bench-commands', options.devices);
  const place = { host: '127.0.0.1', port: installation.mqttPort };
  const devices = new LoadGenerator({ logins, ...place, commands: 'prompt' });
  try {
    await devices.connect();
    const orders = new CommandOrders(
      client,
      empty,
      logins.map(({ id }) => id),
    );
    await orders.warmUp();
    const pids = new Map([...(await installation.parts())].map(([name, { pid }]) => [name, pid]));
    pids.set('bench and devices', process.pid).set('worker of empty workflows', empty.pid);
    const sampler = new ProcessSampler(() => pids);
    const paired = await measurePairs(options.pairs, {
      subject: () => orders.rate(options.commands, options.inflight),
      yardstick: () => empty.rate(options.commands, options.inflight),
    });
    const usage = sampler.stop();
    const commandMs = orders.latency();
    report(options, paired, commandMs, usage);
    const beside = await besideEvents(installation, { options, orders, perSecond: paired.subject.median });
    reportBeside(options, beside);
    const behind =
      options.backlog === 0
        ? null
        : await besideBacklog(installation, { backlog: options.backlog, order: () => orders.order() });
    if (behind !== null) reportBacklog(behind);
    return {
      hardware: hardware(),
      date: new Date().toISOString(),
      options,
      ...paired,
      commandMs,
      usage,
      beside,
      behind,
    };
  } catch (error) {
    // What is under way when everything stops complains as well, and louder.
    say(`the benchmark fails: ${String(error)}`);
    throw error;
  } finally {
    devices.close();
    await empty.stop();
  }
}

class CommandOrders {
  readonly #client: PlatformClient;
  readonly #temporal: EmptyWorkflows;
  readonly #devices: readonly string[];
  #latency = new LatencyHistogram();
  #turn = 0;

  constructor(client: PlatformClient, temporal: EmptyWorkflows, devices: readonly string[]) {
    this.#client = client;
    this.#temporal = temporal;
    this.#devices = devices;
  }

  /** Temporal's worker starts beside the platform, which does not wait for it. */
  async warmUp(): Promise<void> {
    const endMs = Date.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      try {
        await this.order();
        return;
      } catch (error) {
        if (Date.now() > endMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  /** Commands per second, each until it shows SUCCEEDED and its workflow has closed. */
  async rate(count: number, atOnce: number): Promise<number> {
    this.#latency = new LatencyHistogram();
    const startedAt = performance.now();
    await allOf(count, atOnce, async () => void (await this.order()));
    return (count * 1_000) / (performance.now() - startedAt);
  }

  /** Answers how long it took to its end. */
  async order(): Promise<number> {
    const device = this.#devices[this.#turn % this.#devices.length] as string;
    this.#turn += 1;
    const startedAt = performance.now();
    const { commandId, state } = await this.#client.orderCommand(device, { method: 'bench' }, WAIT_SECONDS);
    if (state !== 'SUCCEEDED') throw new Error(`command ${commandId} of ${device} is ${state}`);
    const durationMs = performance.now() - startedAt;
    this.#latency.record(durationMs);
    await this.#temporal.closed(commandWorkflowId({ tenant: TENANT, device, commandId }));
    return durationMs;
  }

  /** Of the last round. */
  latency(): Quantiles {
    return { p50: this.#latency.quantile(0.5), p99: this.#latency.quantile(0.99) };
  }

  forgetLatency(): void {
    this.#latency = new LatencyHistogram();
  }
}

/** The events' p99 beside commands, each time between two times alone. */
async function besideEvents(
  installation: Installation,
  run: { readonly options: Options; readonly orders: CommandOrders; readonly perSecond: number },
): Promise<Beside> {
  const { options, orders } = run;
  const perSecond = run.perSecond * SHARE_BESIDE_EVENTS;
  const logins = await new PlatformClient(installation).registerDevices('bench-events', EVENT_DEVICES);
  const events = async (meanwhile: () => Promise<unknown>): Promise<number> => {
    const begun = Promise.withResolvers<void>();
    const load = runLoad(
      {
        logins,
        host: '127.0.0.1',
        port: installation.mqttPort,
        phases: [{ eventsPerSecond: options.events, seconds: options.seconds }],
        settleTimeoutMs: SETTLE_TIMEOUT_MS,
      },
      { started: () => undefined, connected: () => begun.resolve(), progress: () => undefined },
    );
    await begun.promise;
    const [{ progress }] = await Promise.all([load, meanwhile()]);
    return new LatencyHistogram(progress.latency).quantile(0.99);
  };
  orders.forgetLatency();
  const paired = await measureBetween(options.pairs, {
    subject: () => events(() => atRate(perSecond, options.seconds, async () => void (await orders.order()))),
    yardstick: () => events(() => Promise.resolve()),
  });
  return {
    commandsPerSecond: perSecond,
    commandMs: orders.latency(),
    aloneP99Ms: paired.yardstick,
    besideP99Ms: paired.subject,
    ratio: paired.ratio,
  };
}

async function temporalOf(installation: Installation): Promise<string> {
  const endMs = Date.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const port = (await installation.parts()).get('temporal')?.ports['grpc'];
    if (port !== undefined) return `127.0.0.1:${port}`;
    if (Date.now() > endMs) throw new Error('this benchmark needs Temporal, whose program is not here: npm run setup');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function report(options: Options, paired: Paired, commandMs: Quantiles, usage: readonly ProcessUsage[]): void {
  say(`\n${hardware()}, ${new Date().toISOString()}`);
  say(`${options.pairs} pairs of ${options.commands} each, ${options.inflight} in flight; median (least to most)`);
  say(`  commands          ${spread(paired.subject)} per second, until SUCCEEDED shows and the workflow has closed`);
  say(`  empty workflows   ${spread(paired.yardstick)} per second, started, signalled once and closed`);
  say(`  ratio             ${spread(paired.ratio)}  (the aim is 0.6, at least 0.4)`);
  say(`  order to result   p50 ${commandMs.p50.toFixed(0)} ms, p99 ${commandMs.p99.toFixed(0)} ms`);
  for (const { name, cpuSeconds, peakBytes } of usage) {
    say(`  ${name.padEnd(26)} ${cpuSeconds.toFixed(1)} s CPU, ${(peakBytes / (GIB / 1024)).toFixed(0)} MiB at most`);
  }
}

function reportBeside(options: Options, beside: Beside): void {
  const { commandMs } = beside;
  say(`\n${options.events} events/s, alone and beside ${beside.commandsPerSecond.toFixed(1)} commands/s`);
  say(`  PUBACK p99 alone  ${spread(beside.aloneP99Ms)} ms`);
  say(`  beside commands   ${spread(beside.besideP99Ms)} ms`);
  say(`  ratio             ${spread(beside.ratio)}  (at most 1.5)`);
  say(`  order to result   p50 ${commandMs.p50.toFixed(0)} ms, p99 ${commandMs.p99.toFixed(0)} ms`);
}

function reportBacklog(behind: BesideBacklog): void {
  const { backlogFirst, backlogLast, commands, p50Ms, p99Ms, maxMs } = behind;
  say(`\n${commands} commands, one after the other, while telemetry waited for its twins`);
  say(`  backlog           ${backlogFirst} records at the first, ${backlogLast} after the last`);
  say(
    `  order to result   p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms, most ${maxMs.toFixed(0)} ms  (below 1000)`,
  );
}

function spread({ min, median, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
}

function hardware(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  return `${cpus().length} x ${model}, ${(totalmem() / GIB).toFixed(0)} GiB, Node ${process.versions.node}`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
