import { PlatformClient } from '@breakwater/bench';

import { CONDITION_TIMEOUT_MS, pause, twinOf, until } from '../../platform-steps.ts';
import type { FaultCase, LoadUnderFault } from '../fault-case.ts';
import { OwnerWatch, type WatchedWorker } from '../owner-watch.ts';
import type { PlatformUnderFault } from '../platform-under-fault.ts';
import { PartitionWatch } from '../run-watch.ts';
import { WorkerOfTheTest } from '../worker-of-the-test.ts';
import { endsAndComesBack } from './ended-parts.ts';

/** Of the embedded platform, as it starts. */
const PARTITIONS = 16;
const TAKEOVER_MS_MAX = 10_000;
/** Load flows so long on the new owners before the next change. */
const BETWEEN_MS = 4_000;
const PRESENCE_EVERY_MS = 500;
const DEVICES_LOOKED_AT = 20;
/** In this order an upgrade restarts them: whoever reads records before whoever writes them. */
const ROLLED_PARTS = ['twin-worker', 'telemetry-writer', 'gateway', 'api'];

/** Shards that move because somebody wants it so. */
export const MOVED_SHARDS: readonly FaultCase[] = [
  {
    name: 'restart-in-turn',
    title: 'SIGTERM for every worker, writer, gateway and API in turn, as a rolling restart does it',
    lines: ['F6'],
    loadSeconds: 60,
    takeoverMaxMs: TAKEOVER_MS_MAX,
    strike: rollEverything,
  },
  {
    name: 'scale-workers',
    title: 'from one worker to two, to four, and back to one: two leave, the last of them is killed',
    lines: ['F7'],
    setup: { env: { TWIN_WORKERS: '1' } },
    loadSeconds: 60,
    takeoverMaxMs: TAKEOVER_MS_MAX,
    strike: scaleWorkers,
  },
];

async function scaleWorkers(platform: PlatformUnderFault): Promise<string> {
  const more: WorkerOfTheTest[] = [];
  const workers = async (): Promise<readonly WatchedWorker[]> => {
    const first = (await platform.installation.parts()).get('twin-worker-1')?.ports['metrics'] ?? 0;
    return [
      { name: 'twin-worker-1', metricsPort: first },
      ...more.map(({ pid, metricsPort }) => ({ name: `worker ${pid}`, metricsPort })),
    ];
  };
  const owners = new OwnerWatch({ platform, partitions: PARTITIONS, workers });
  const pauses = new PartitionWatch(platform, PARTITIONS);
  const notes: string[] = [];
  const stage = async (name: string, change: () => Promise<unknown>): Promise<void> => {
    pauses.takeStage();
    const startedAtMs = Date.now();
    await change();
    await until(`${more.length + 1} workers to have fair shares`, () => isFair(owners, more.length + 1));
    const settledMs = Date.now() - startedAtMs;
    await pause(BETWEEN_MS);
    notes.push(`${name}: settled ${seconds(settledMs)} s, pauses ${summaryOf(pauses.takeStage())}`);
  };
  const add = async (): Promise<unknown> => more.push(await WorkerOfTheTest.start(platform));
  const takeOne = (): WorkerOfTheTest => more.pop() as WorkerOfTheTest;
  try {
    await stage('1 → 2', add);
    await stage('2 → 4', () => Promise.all([add(), add()]));
    await stage('4 → 3 → 2 in order', async () => {
      await takeOne().stop();
      await takeOne().stop();
    });
    await stage('2 → 1 by SIGKILL', async () => takeOne().kill());
  } finally {
    for (const worker of more) worker.kill();
    await owners.stop();
    await pauses.stop();
  }
  if (owners.problems.length > 0) throw new Error(owners.problems.join('; '));
  return [...notes, owners.summary].join('; ');
}

function isFair({ shares }: OwnerWatch, workers: number): boolean {
  const sizes = [...shares.values()];
  const sum = sizes.reduce((total, size) => total + size, 0);
  return sizes.length === workers && sum === PARTITIONS && Math.max(...sizes) - Math.min(...sizes) <= 1;
}

/** The worst of all shards, and the worst of the better half. */
function summaryOf(byPartition: ReadonlyMap<number, number>): string {
  const sorted = [...byPartition.values()].sort((left, right) => left - right);
  const half = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return `${seconds(half)} s in half of the shards, at worst ${seconds(sorted.at(-1) ?? 0)} s`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

async function rollEverything(platform: PlatformUnderFault, { devices }: LoadUnderFault): Promise<string> {
  const names = [...(await platform.installation.parts()).keys()];
  const rolled = ROLLED_PARTS.flatMap((part) => names.filter((name) => name === part || name.startsWith(`${part}-`)));
  const pauses = new PartitionWatch(platform, PARTITIONS);
  const presence = new PresenceLook(platform, devices.slice(0, DEVICES_LOOKED_AT));
  const notes: string[] = [];
  try {
    for (const name of rolled) {
      const isGateway = name.startsWith('gateway');
      pauses.takeStage();
      if (isGateway) presence.mayDisconnect = true;
      await endsAndComesBack(platform, name, 'SIGTERM');
      if (isGateway) await until('every device to be shown as connected again', () => presence.isAllConnected());
      presence.mayDisconnect = false;
      await pause(BETWEEN_MS);
      notes.push(`${name} ${seconds(Math.max(0, ...pauses.takeStage().values()))} s`);
    }
  } finally {
    await presence.stop();
    await pauses.stop();
  }
  if (presence.falselyDisconnected > 0) {
    throw new Error(`${presence.falselyDisconnected} times a connected device was shown as disconnected`);
  }
  return `worst pause by part: ${notes.join(', ')}; presence was looked at ${presence.looks} times`;
}

/** Looks at what applications are shown of devices that never lose their connection, except with their gateway. */
class PresenceLook {
  /** The gateway of the devices is away: it is no lie that they are, too. */
  mayDisconnect = false;
  falselyDisconnected = 0;
  looks = 0;
  readonly #platform: PlatformUnderFault;
  readonly #devices: readonly string[];
  readonly #ended: Promise<void>;
  #running = true;

  constructor(platform: PlatformUnderFault, devices: readonly string[]) {
    this.#platform = platform;
    this.#devices = devices;
    this.#ended = this.#run();
  }

  async isAllConnected(): Promise<boolean> {
    return (await this.#disconnected()) === 0;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const endMs = Date.now() + CONDITION_TIMEOUT_MS;
    while (this.#running && Date.now() < endMs) {
      try {
        await this.#look();
      } catch {
        // The API is being restarted, too.
      }
      await pause(PRESENCE_EVERY_MS);
    }
  }

  async #look(): Promise<void> {
    if (this.mayDisconnect) return;
    const disconnected = await this.#disconnected();
    // The load may have come to its end, or the gateway's turn, while the API answered.
    const isLoaded = (await this.#platform.metric('gateway', 'mqtt_connections')) >= this.#devices.length;
    if (this.mayDisconnect || !isLoaded || !this.#running) return;
    this.looks += 1;
    this.falselyDisconnected += disconnected;
  }

  async #disconnected(): Promise<number> {
    const client = new PlatformClient(this.#platform.installation);
    const twins = await Promise.all(this.#devices.map((device) => twinOf(client, device)));
    return twins.filter(({ presence }) => !presence.connected).length;
  }
}
