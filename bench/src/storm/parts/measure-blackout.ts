import { LatencyHistogram } from '../../latency-histogram.ts';
import { LoadGenerator } from '../../load-generator.ts';
import type { Aftermath } from '../checks/broken-promises.ts';
import type { Quantiles } from '../platform/platform-latencies.ts';
import { StormPlatform } from '../platform/storm-platform.ts';

export interface BlackoutOrder {
  readonly devices: number;
  readonly eventsPerSecond: number;
  /** How long ClickHouse stands still. */
  readonly seconds: number;
  readonly leadSeconds: number;
}

export interface Blackout {
  readonly order: BlackoutOrder;
  readonly patchMs: Quantiles;
  readonly patches: number;
  /** Of those sent during the blackout, the ones that were not answered with 200. */
  readonly patchesFailed: number;
  /** From the order to SUCCEEDED; null without Temporal. */
  readonly commandMs: Quantiles | null;
  readonly commands: number;
  readonly commandsFailed: number;
  /** What the log and the devices held when ClickHouse went on. */
  readonly backlogEvents: number;
  /** From the last event, a few seconds after that, to zero lag. */
  readonly recoverySeconds: number;
  readonly after: Aftermath;
}

/** Devices beside the load that take commands. */
const COMMAND_DEVICES = 4;
const ASK_EVERY_MS = 250;
const COMMAND_WAIT_SECONDS = 30;
/** The first ones after a start find caches cold. */
const WARM_UP_ROUNDS = 3;

/** ClickHouse stops in the middle of a spike: events wait in the log, control goes on as if nothing had happened. */
export async function measureBlackout(order: BlackoutOrder): Promise<Blackout> {
  const platform = await StormPlatform.start();
  const logins = await platform.client.registerDevices('blackout-commands', COMMAND_DEVICES);
  const place = { host: '127.0.0.1', port: platform.installation.mqttPort };
  const devices = new LoadGenerator({ logins, ...place, commands: 'prompt' });
  try {
    await devices.connect();
    await platform.openDevices('blackout', order.devices);
    const sampler = platform.watchProcesses();
    const questions = new Questions(
      platform,
      logins.map(({ id }) => id),
    );
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) await questions.ask();
    questions.forget();
    const totalSeconds = order.leadSeconds * 2 + order.seconds;
    const load = platform.generator.call('run', { eventsPerSecond: order.eventsPerSecond, seconds: totalSeconds });
    await pause(order.leadSeconds * 1_000);
    const goOn = await stopped(platform, 'embedded-clickhouse');
    const answered = questions.askFor(order.seconds * 1_000);
    await pause(order.seconds * 1_000);
    goOn();
    const { waiting, writerLag } = await platform.backlog();
    await load;
    const loadEndMs = Date.now();
    await platform.settle();
    const recoverySeconds = ((await platform.drained()) - loadEndMs) / 1_000;
    await answered;
    const after = await platform.checkAll(sampler.stop());
    return {
      order,
      ...questions.answers(),
      backlogEvents: waiting + writerLag,
      recoverySeconds,
      after,
    };
  } finally {
    devices.close();
    await platform.stop();
  }
}

/** What an operator asks meanwhile: one PATCH and one command, again and again, each for itself. */
class Questions {
  readonly #platform: StormPlatform;
  readonly #devices: readonly string[];
  #patches = new LatencyHistogram();
  #commands = new LatencyHistogram();
  #patchesFailed = 0;
  #commandsFailed = 0;
  #turn = 0;

  constructor(platform: StormPlatform, devices: readonly string[]) {
    this.#platform = platform;
    this.#devices = devices;
  }

  async askFor(durationMs: number): Promise<void> {
    const endMs = Date.now() + durationMs;
    const open: Promise<void>[] = [];
    while (Date.now() < endMs) {
      open.push(this.ask());
      await pause(ASK_EVERY_MS);
    }
    await Promise.all(open);
  }

  async ask(): Promise<void> {
    this.#turn += 1;
    const device = this.#devices[this.#turn % this.#devices.length] ?? '';
    await Promise.all([this.#patch(device), this.#command(device)]);
  }

  forget(): void {
    this.#patches = new LatencyHistogram();
    this.#commands = new LatencyHistogram();
    this.#patchesFailed = 0;
    this.#commandsFailed = 0;
  }

  answers() {
    return {
      patchMs: quantilesOf(this.#patches),
      patches: this.#patches.count + this.#patchesFailed,
      patchesFailed: this.#patchesFailed,
      commandMs: this.#platform.hasTemporal ? quantilesOf(this.#commands) : null,
      commands: this.#commands.count + this.#commandsFailed,
      commandsFailed: this.#commandsFailed,
    };
  }

  async #patch(device: string): Promise<void> {
    const startedAt = performance.now();
    const status = await this.#platform.client.patchDesired(device, { turn: this.#turn }).catch(() => 0);
    if (status === 200) this.#patches.record(performance.now() - startedAt);
    else this.#patchesFailed += 1;
  }

  async #command(device: string): Promise<void> {
    if (!this.#platform.hasTemporal) return;
    const startedAt = performance.now();
    const order = this.#platform.client.orderCommand(device, { method: 'storm' }, COMMAND_WAIT_SECONDS);
    const state = await order.then((command) => command.state).catch(() => 'not ordered');
    if (state === 'SUCCEEDED') this.#commands.record(performance.now() - startedAt);
    else this.#commandsFailed += 1;
  }
}

/** Answers what lets it go on, which may be called once. */
async function stopped(platform: StormPlatform, part: string): Promise<() => void> {
  const pid = (await platform.installation.parts()).get(part)?.pid;
  if (pid === undefined) throw new Error(`run.json names no part ${part}`);
  process.kill(pid, 'SIGSTOP');
  return () => void process.kill(pid, 'SIGCONT');
}

function quantilesOf(histogram: LatencyHistogram): Quantiles {
  return { p50: histogram.quantile(0.5), p99: histogram.quantile(0.99) };
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
