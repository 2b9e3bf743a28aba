import { fileURLToPath } from 'node:url';

import { type ClickHouseClient, createClient } from '@clickhouse/client';

import { Installation } from '../../installation.ts';
import { type LedgerTotals, PlatformClient } from '../../platform-client.ts';
import { ProcessSampler, type ProcessUsage } from '../../process-sampler.ts';
import { RemoteProcess } from '../../remote-process.ts';
import type { DeviceLogin } from '../../simulated-device.ts';
import { type Aftermath } from '../checks/broken-promises.ts';
import { ledgerImbalances, type LedgerEntries } from '../checks/ledger-balance.ts';
import { GENERATOR, overCap } from '../checks/memory-caps.ts';
import { auditRows } from '../checks/row-audit.ts';
import { auditTwins } from '../checks/twin-audit.ts';
import type { StormGeneratorCalls } from '../load/generator-process.ts';
import type { DeviceOutcome, StormProgress } from '../load/storm-generator.ts';
import { readMetricPages, sumOfMetric } from './metric-pages.ts';

/** After an outage of five minutes the devices hold millions of events. */
const SETTLE_TIMEOUT_MS = 600_000;
const DRAIN_TIMEOUT_MS = 600_000;
const DRAIN_POLL_MS = 50;
/** Where its program is missing there is none, and the platform runs without. */
const TEMPORAL_TIMEOUT_MS = 20_000;
/**
 * On a machine without a core to spare its server was seen to end while it started, and the supervisor to start it
 * again; why is not known. It is no fault of the load that begins afterwards.
 */
const TEMPORAL_START_TIMEOUT_MS = 180_000;
const TEMPORAL_POLL_MS = 250;
const TEMPORAL_WORKER = 'temporal-worker';
const TEMPORAL_PARTS = ['temporal', TEMPORAL_WORKER];

/** The platform is calm when all of it takes less than this share of a core. */
const CALM_CORES = 0.2;
const CALM_WINDOW_MS = 1_000;
const CALM_TIMEOUT_MS = 20_000;

/** Where the backlog is, in events since the load began. */
export interface Backlog {
  readonly atMs: number;
  /** Due and not yet acknowledged: what waits in the devices, the sockets and the gateway. */
  readonly waiting: number;
  /** Acknowledged and not yet in the twins. */
  readonly twinLag: number;
  /** Acknowledged and not yet among the rows. */
  readonly writerLag: number;
}

/** What is known of a load when it is over. */
export interface LoadEnd extends Pick<Aftermath, 'unacknowledged' | 'connectionsLost' | 'disordered'> {
  readonly usage: readonly ProcessUsage[];
  /** All its devices have a connection, and so must be shown with one. */
  readonly areConnected: boolean;
}

/** A fresh embedded platform with its default settings, and a load generator of its own beside it. */
export class StormPlatform {
  readonly installation: Installation;
  readonly client: PlatformClient;
  readonly generator: RemoteProcess<StormGeneratorCalls>;
  readonly #pids: ReadonlyMap<string, number>;

  private constructor(installation: Installation, pids: ReadonlyMap<string, number>) {
    this.installation = installation;
    this.client = new PlatformClient(installation);
    this.generator = new RemoteProcess<StormGeneratorCalls>(
      fileURLToPath(new URL('../../../dist/storm/load/generator-process.js', import.meta.url)),
    );
    this.#pids = new Map([...pids, ['supervisor', installation.pid], [GENERATOR, this.generator.pid]]);
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<StormPlatform> {
    const installation = await Installation.start({ env });
    return new StormPlatform(installation, await pidsWithTemporal(installation));
  }

  /** Opens connections, and waits until what that and the start left to do is done: it belongs to no load. */
  async connect(logins: readonly DeviceLogin[], valueGroups = 1): Promise<void> {
    await this.generator.call('open', { logins, host: '127.0.0.1', port: this.installation.mqttPort, valueGroups });
    const endMs = Date.now() + CALM_TIMEOUT_MS;
    do {
      const sampler = this.watchProcesses();
      await new Promise((resolve) => setTimeout(resolve, CALM_WINDOW_MS));
      const cpuSeconds = sampler.stop().reduce((sum, usage) => sum + usage.cpuSeconds, 0);
      if ((cpuSeconds * 1_000) / CALM_WINDOW_MS <= CALM_CORES) return;
    } while (Date.now() < endMs);
  }

  /** Whether there is anything to run commands with. */
  get hasTemporal(): boolean {
    return this.#pids.has(TEMPORAL_WORKER);
  }

  /** Registers devices and opens their connections. */
  async openDevices(prefix: string, count: number): Promise<readonly DeviceLogin[]> {
    const logins = await this.client.registerDevices(prefix, count);
    await this.connect(logins);
    return logins;
  }

  /** CPU and memory of every process from now on. */
  watchProcesses(): ProcessSampler {
    return new ProcessSampler(() => this.#pids);
  }

  metricPages(): Promise<ReadonlyMap<string, string>> {
    return readMetricPages(this.installation);
  }

  /** By the counters of the parts, because the ledger of the API asks ClickHouse, which has enough to do. */
  async backlog(): Promise<Backlog> {
    const pages = [...(await this.metricPages()).values()];
    const applied = sumOfMetric(pages, 'breakwater_twin_records_total', 'lane="telemetry"');
    const stored = sumOfMetric(pages, 'breakwater_writer_records_total');
    const { atMs, due, acknowledged } = await this.progress();
    return {
      atMs,
      waiting: due - acknowledged,
      twinLag: Math.max(0, acknowledged - applied),
      writerLag: Math.max(0, acknowledged - stored),
    };
  }

  /** Resolves once so many telemetry records are in the twins and among the rows; answers the moment. */
  async caughtUp(isCaughtUp: (ledger: LedgerTotals) => boolean): Promise<number> {
    const endMs = Date.now() + DRAIN_TIMEOUT_MS;
    for (;;) {
      const ledger = await this.client.ledger().catch(() => null);
      if (ledger !== null && isCaughtUp(ledger)) return Date.now();
      if (Date.now() > endMs) throw new Error(`not drained within ${DRAIN_TIMEOUT_MS} ms: ${JSON.stringify(ledger)}`);
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
  }

  drained(): Promise<number> {
    return this.caughtUp(({ twinLag, writerLag }) => twinLag === 0 && writerLag === 0);
  }

  settle(): Promise<number> {
    return this.generator.call('settle', SETTLE_TIMEOUT_MS);
  }

  /** Waits until everything has come to rest, then checks every event, every twin and the ledger. */
  async checkAll(usage: readonly ProcessUsage[]): Promise<Aftermath> {
    const unacknowledged = await this.settle();
    const { connectionsLost, disordered, connected } = await this.progress();
    const outcomes = await this.generator.call('outcomes');
    const areConnected = connected === outcomes.length;
    return this.checkOutcomes(outcomes, { usage, unacknowledged, connectionsLost, disordered, areConnected });
  }

  /** The same for devices that are no longer all open. */
  async checkOutcomes(outcomes: readonly DeviceOutcome[], load: LoadEnd): Promise<Aftermath> {
    const { usage, unacknowledged, connectionsLost, disordered, areConnected } = load;
    await this.drained();
    const clickhouse = await this.clickhouse();
    try {
      return {
        unacknowledged,
        connectionsLost,
        disordered,
        rows: await auditRows(clickhouse, outcomes),
        twins: await auditTwins(this.client, outcomes, areConnected),
        ledgerImbalances: ledgerImbalances((await this.client.rawLedger()) as LedgerEntries),
        overCap: overCap(usage),
        ended: await this.#ended(),
        shed: sumOfMetric((await this.metricPages()).values(), 'breakwater_shed_total'),
      };
    } finally {
      await clickhouse.close();
    }
  }

  progress(): Promise<StormProgress> {
    return this.generator.call('progress');
  }

  async clickhouse(): Promise<ClickHouseClient> {
    const port = (await this.installation.parts()).get('embedded-clickhouse')?.ports['clickhouse'];
    if (port === undefined) throw new Error('run.json names no port of embedded-clickhouse');
    return createClient({ url: `http://127.0.0.1:${port}`, database: 'breakwater' });
  }

  async stop(): Promise<void> {
    await this.generator.stop();
    await this.installation.stopAndTell((text) => process.stderr.write(`\n${text}\n`));
  }

  /** Parts that no longer have the process with which they began. */
  async #ended(): Promise<readonly string[]> {
    const now = await pidsOf(this.installation);
    return [...now].filter(([name, pid]) => (this.#pids.get(name) ?? pid) !== pid).map(([name]) => name);
  }
}

/** Temporal starts behind the platform, which does not wait for it; the figures do, or its start would be in them. */
async function pidsWithTemporal(installation: Installation): Promise<ReadonlyMap<string, number>> {
  const startedAtMs = Date.now();
  for (;;) {
    const parts = await installation.parts();
    const serves = TEMPORAL_PARTS.every((name) => Object.keys(parts.get(name)?.ports ?? {}).length > 0);
    const isStarting = TEMPORAL_PARTS.some((name) => parts.has(name));
    const waitMs = isStarting ? TEMPORAL_START_TIMEOUT_MS : TEMPORAL_TIMEOUT_MS;
    if (serves || Date.now() > startedAtMs + waitMs) return pidsOf(installation);
    await new Promise((resolve) => setTimeout(resolve, TEMPORAL_POLL_MS));
  }
}

async function pidsOf(installation: Installation): Promise<ReadonlyMap<string, number>> {
  return new Map([...(await installation.parts())].map(([name, { pid }]) => [name, pid]));
}
