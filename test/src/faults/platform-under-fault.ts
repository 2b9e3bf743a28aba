import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { KafkaCluster } from '@breakwater/adapter-kafka/testing';
import { connectRedis } from '@breakwater/adapter-redis';
import { Installation } from '@breakwater/bench';

import { AppendOnlyFile } from '../history/append-only-file.ts';
import { RedisOperations } from '../history/redis-operations.ts';
import { StoreHistory } from '../history/store-history.ts';
import { until } from '../platform-steps.ts';
import { faultLog } from './fault-log.ts';
import { LINKS_FOLDER, REDIS_CLIENTS, redisLinkOf } from './link-places.ts';
import { LinkProxy } from './link-proxy.ts';

type RedisConnection = Awaited<ReturnType<typeof connectRedis>>;

/** What a platform needs for a fault beside what `npm start` gives it. Those that need the same may share one. */
export interface PlatformSetup {
  /** Parts reach Redis and ClickHouse over links that can be spoilt. */
  readonly links?: true;
  /** This part's data lies on a small disk of its own. */
  readonly smallDisk?: 'redis' | 'clickhouse';
  readonly env?: Readonly<Record<string, string>>;
}

/** Of a small disk: what a fault run writes fits in well. */
const SMALL_DISK_MEGABYTES = 1_500;
const ORDERED_END = /^(?:SIGKILL|exit code 0)/;
const LAST_WORDS_LENGTH_MAX = 200;
const PRELOAD = fileURLToPath(new URL('../../dist/faults/part-preload.js', import.meta.url));

/** One embedded platform that faults befall: what they need to strike, and what is recorded of its store. */
export class PlatformUnderFault {
  readonly setup: PlatformSetup;
  readonly history = new StoreHistory({ seesAppends: faultLog() === 'redis' });
  /** Three brokers of the test, where the log is theirs. The broker of `npm start` is a part like others. */
  readonly brokers: KafkaCluster | null;
  readonly links: ReadonlyMap<string, LinkProxy>;
  readonly #dataDir: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #operations = new RedisOperations(this.history);
  readonly #writes: AppendOnlyFile;
  #installation: Installation;

  private constructor(options: {
    setup: PlatformSetup;
    dataDir: string;
    env: Readonly<Record<string, string>>;
    links: ReadonlyMap<string, LinkProxy>;
    brokers: KafkaCluster | null;
    installation: Installation;
  }) {
    this.setup = options.setup;
    this.links = options.links;
    this.brokers = options.brokers;
    this.#dataDir = options.dataDir;
    this.#env = options.env;
    this.#installation = options.installation;
    this.#writes = new AppendOnlyFile(join(options.dataDir, 'redis'));
  }

  static async start(setup: PlatformSetup): Promise<PlatformUnderFault> {
    const dataDir = await mkdtemp(join(tmpdir(), 'breakwater-fault-'));
    if (setup.smallDisk !== undefined) await mountSmallDisk(join(dataDir, setup.smallDisk));
    const folder = join(dataDir, 'links');
    await mkdir(folder);
    const links = setup.links === true ? await openLinks(folder, dataDir) : new Map<string, LinkProxy>();
    const brokers = faultLog() === 'kafka-3' ? await startBrokers(dataDir) : null;
    const env = {
      EMBEDDED_TEMPORAL: 'off',
      ...(brokers === null ? {} : { EVENT_LOG: 'kafka', KAFKA_BROKERS: brokers.bootstrap.join(',') }),
      REDIS_SERVER_PATH: await recordingRedis(folder),
      ...(setup.links === true ? { NODE_OPTIONS: `--import ${PRELOAD}`, [LINKS_FOLDER]: folder } : {}),
      ...setup.env,
    };
    try {
      const installation = await Installation.start({ dataDir, env });
      return new PlatformUnderFault({ setup, dataDir, env, links, brokers, installation });
    } catch (error) {
      await brokers?.stop();
      throw error;
    }
  }

  /** As it runs now: another one after a start of its supervisor. */
  get installation(): Installation {
    return this.#installation;
  }

  get dataDir(): string {
    return this.#dataDir;
  }

  link(name: string): LinkProxy {
    const link = this.links.get(name);
    if (link === undefined) throw new Error(`there is no link ${name}, only ${[...this.links.keys()].join(', ')}`);
    return link;
  }

  /** `host:port` of the brokers; empty where the log is in Redis. */
  async brokerAddresses(): Promise<readonly string[]> {
    if (this.brokers !== null) return this.brokers.bootstrap;
    const port = (await this.#installation.parts()).get('kafka')?.ports['kafka'];
    return port === undefined ? [] : [`127.0.0.1:${port}`];
  }

  /** Every process of the platform by its name: parts, and brokers of the test that run. */
  async processes(): Promise<ReadonlyMap<string, number>> {
    const parts = [...(await this.#installation.parts())].map(([name, { pid }]) => [name, pid] as const);
    const running = (this.brokers?.brokers ?? []).filter(({ isRunning }) => isRunning);
    return new Map([...parts, ...running.map(({ nodeId, pid }) => [`kafka-${nodeId}`, pid] as const)]);
  }

  /** Process ids of a part, or of all parts whose names begin so. */
  async pidsOf(part: string): Promise<readonly number[]> {
    const parts = await this.#installation.parts();
    const found = [...parts].filter(([name]) => name === part || name.startsWith(`${part}-`));
    if (found.length === 0) throw new Error(`no part ${part} runs`);
    return found.map(([, { pid }]) => pid);
  }

  async signal(part: string, signal: NodeJS.Signals): Promise<void> {
    for (const pid of await this.pidsOf(part)) process.kill(pid, signal);
  }

  /** A connection that no link spoils. The caller closes it. */
  redis(): Promise<RedisConnection> {
    return connectRedis(`unix://${join(this.#dataDir, 'redis', 'redis.sock')}`);
  }

  async withRedis<Answer>(ask: (redis: RedisConnection) => Promise<Answer>): Promise<Answer> {
    const redis = await this.redis();
    try {
      return await ask(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** Sum of a metric over the parts whose names begin so, and over all labels that contain the text. */
  async metric(part: string, name: string, label = ''): Promise<number> {
    let sum = 0;
    for (const [partName, { ports }] of await this.#installation.parts()) {
      const port = ports['metrics'];
      if (port === undefined || (partName !== part && !partName.startsWith(`${part}-`))) continue;
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      for (const line of text.split('\n')) {
        const isIt = line.startsWith(`breakwater_${name}{`) || line.startsWith(`breakwater_${name} `);
        if (isIt && line.includes(label)) sum += Number(line.split(' ').at(-1));
      }
    }
    return sum;
  }

  /** SIGKILL of the supervisor and of every part at once, as if the machine had lost its power. */
  async losePower(): Promise<void> {
    const processes = await this.processes();
    killIfAlive(this.#installation.pid);
    for (const pid of processes.values()) killIfAlive(pid);
    await this.brokers?.killAll();
  }

  /** Starts again on the same data and the same ports, as `npm start` does. */
  async startAgain(): Promise<void> {
    const { url, mqttPort } = this.#installation;
    if (this.brokers?.brokers.every(({ isRunning }) => !isRunning) === true) await this.brokers.startAll();
    this.#installation = await Installation.start({
      dataDir: this.#dataDir,
      env: { ...this.#env, HTTP_PORT: new URL(url).port, MQTT_PORT: String(mqttPort) },
    });
  }

  /** Every part of the list runs, and the API says that the platform is ready. */
  async isWell(names: readonly string[]): Promise<void> {
    await until('every part to run again', async () => {
      const parts = await this.#installation.parts();
      return names.every((name) => isAlive(parts.get(name)?.pid));
    });
    await until('the API to be ready again', async () => {
      return (await fetch(`${this.#installation.url}/health/ready`)).status === 200;
    });
  }

  /** Has the history read on to where the store is now. */
  readHistory(): Promise<void> {
    return this.#writes.readOn((transaction) => this.#operations.read(transaction));
  }

  /** Lines of the console that tell of parts that were started again. */
  async restarts(): Promise<number> {
    return (await this.#installation.console()).split('starts again in').length - 1;
  }

  /** Ends of parts that neither SIGKILL nor an order explains, each with the last words in its log. */
  async endedByThemselves(): Promise<readonly string[]> {
    const ended = (await this.#installation.endedParts()).filter(({ how }) => !ORDERED_END.test(how));
    return ended.map(({ name, how, lastLines }) => {
      return `${name} ended (${how}): ${lastLines.at(-1)?.slice(0, LAST_WORDS_LENGTH_MAX) ?? 'without a word'}`;
    });
  }

  /** @param keep leaves the data folder, so that somebody can look at it. */
  async stop(keep = false): Promise<number | null> {
    for (const link of this.links.values()) link.behave({ kind: 'pass' });
    const code = await this.#installation.stop();
    await this.brokers?.stop();
    for (const link of this.links.values()) await link.stop();
    const { smallDisk } = this.setup;
    if (smallDisk !== undefined) execFileSync('umount', ['-l', join(this.#dataDir, smallDisk)]);
    if (!keep) await rm(this.#dataDir, { recursive: true, force: true });
    return code;
  }
}

async function mountSmallDisk(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_MEGABYTES}m,mode=0700`, 'breakwater-fault', folder]);
}

async function startBrokers(dataDir: string): Promise<KafkaCluster> {
  const folder = join(dataDir, 'brokers');
  await mkdir(folder);
  return KafkaCluster.start({ brokers: 3, folder });
}

/** redis-server as ever, but it does not rewrite its file, which is read as a recording, and may be sent to sleep. */
async function recordingRedis(folder: string): Promise<string> {
  const path = join(folder, 'redis-server');
  const script = [
    '#!/bin/sh',
    '[ "$1" = --version ] && exec redis-server --version',
    'exec redis-server "$@" --auto-aof-rewrite-percentage 0 --enable-debug-command yes',
    '',
  ];
  await writeFile(path, script.join('\n'), { mode: 0o755 });
  return path;
}

async function openLinks(folder: string, dataDir: string): Promise<ReadonlyMap<string, LinkProxy>> {
  const links = new Map<string, LinkProxy>();
  const target = () => ({ path: join(dataDir, 'redis', 'redis.sock') });
  for (const part of REDIS_CLIENTS) {
    const listen = redisLinkOf(folder, part);
    links.set(`redis-${part}`, await LinkProxy.start({ listen, target, counted: 'STALE_EPOCH' }));
  }
  const clickhouse = await LinkProxy.start({ listen: 0, target: () => clickhouseTarget(folder) });
  links.set('clickhouse', clickhouse);
  await writeFile(join(folder, 'clickhouse.port'), String(clickhouse.port));
  return links;
}

function clickhouseTarget(folder: string): { host: string; port: number } {
  return { host: '127.0.0.1', port: Number(readFileSync(join(folder, 'clickhouse.target'), 'utf8')) };
}

export function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    // There is no such process.
    return false;
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended with its supervisor's pipe: that is how it should be.
  }
}
