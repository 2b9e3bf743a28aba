import {
  MemoryBanList,
  MemoryRefusalCounts,
  MemoryDeviceRegistry,
  MemoryDownlinkChannel,
  MemoryEventLog,
  MemorySessionDirectory,
  MemoryTenantTrustStore,
} from '@breakwater/adapter-memory';
import { createLogger, Metrics } from '@breakwater/observability';
import { jest } from '@jest/globals';
import {
  deviceKey,
  type DeviceId,
  type DeviceKey,
  type LogId,
  type Offset,
  type Partition,
  type TenantId,
} from '@breakwater/twin';
import { type EventLog, type Lane, type SessionArchive, systemClock, systemRandom } from '@breakwater/twin-runtime';
import { decodeRecord, partitionOf, type WireRecord } from '@breakwater/wire';
import { connectAsync, type IClientOptions, MqttClient } from 'mqtt';
import { createWebSocketStream, WebSocket } from 'ws';

import { Gateway } from '../src/gateway.ts';
import type { GatewayPorts } from '../src/gateway-ports.ts';
import { type GatewaySettings, readGatewaySettings } from '../src/read-gateway-settings.ts';
import { ANY_FREE_PORT } from '../src/transport/listener.ts';
import { hashOfToken } from '../src/identity/device-tokens.ts';

export const TENANT = 'default' as TenantId;
export const PARTITIONS = 4;

/** A gateway on memory adapters, with what a test wants to know of them. */
export interface GatewayFixture {
  readonly gateway: Gateway;
  readonly settings: GatewaySettings;
  readonly log: MemoryEventLog;
  readonly registry: MemoryDeviceRegistry;
  readonly bans: MemoryBanList;
  readonly trust: MemoryTenantTrustStore;
  readonly directory: MemorySessionDirectory;
  readonly downlinks: MemoryDownlinkChannel;
  readonly confirmed: string[];
  readonly metrics: Metrics;
  /** Writes to the archive of sessions. */
  readonly archiveWrites: string[];
  /** The lines of the metrics that begin with this. */
  metric(start: string): Promise<readonly string[]>;
  /** 0 for what is not open. */
  readonly ports: Readonly<Record<'mqtt' | 'mqttWs' | 'mqtts' | 'mqttWss', number>>;
  /** Registers a device; its token is `token-<id>`. */
  addDevice(id: string): Promise<DeviceKey>;
  connect(id: string, options?: IClientOptions & { webSocket?: boolean }): Promise<MqttClient>;
  records(lane: Lane): Promise<readonly WireRecord[]>;
  recordsOf(id: string): Promise<readonly WireRecord[]>;
  /** A second gateway on the same ports, by default with the same options. */
  another(options?: FixtureOptions): Promise<GatewayFixture>;
  stop(): Promise<void>;
}

export interface FixtureOptions {
  readonly settings?: Partial<GatewaySettings>;
  readonly log?: (log: MemoryEventLog) => EventLog;
}

interface Shared {
  readonly log: MemoryEventLog;
  readonly registry: MemoryDeviceRegistry;
  readonly bans: MemoryBanList;
  readonly trust: MemoryTenantTrustStore;
  readonly directory: MemorySessionDirectory;
  readonly downlinks: MemoryDownlinkChannel;
  readonly confirmed: string[];
  readonly archiveWrites: string[];
  readonly refusals: MemoryRefusalCounts;
}

export async function startFixture(options: FixtureOptions = {}): Promise<GatewayFixture> {
  const shared: Shared = {
    log: new MemoryEventLog({ clock: systemClock, logId: 'log' as LogId }),
    registry: new MemoryDeviceRegistry(),
    bans: new MemoryBanList(systemClock, { bansMax: 100 }),
    trust: new MemoryTenantTrustStore(),
    directory: new MemorySessionDirectory(systemClock),
    downlinks: new MemoryDownlinkChannel(systemClock),
    confirmed: [],
    archiveWrites: [],
    refusals: new MemoryRefusalCounts(),
  };
  return startOn(shared, options);
}

/** The process is that of all suites of this run: its memory says nothing of a gateway. */
export const MEMORY_OF_A_TEST_RUN_MB = 65_536;

async function startOn(shared: Shared, options: FixtureOptions): Promise<GatewayFixture> {
  const settings = {
    ...readGatewaySettings({}),
    bindHost: '127.0.0.1',
    mqttPort: 0,
    mqttWebSocketPort: ANY_FREE_PORT,
    partitionCount: PARTITIONS,
    downlinkWaitMs: 20,
    drainMs: 2_000,
    memoryMegabytesMax: MEMORY_OF_A_TEST_RUN_MB,
    ...options.settings,
  };
  const ports: GatewayPorts = {
    ...shared,
    archive: recordedArchive(shared),
    log: options.log?.(shared.log) ?? shared.log,
    tailLog: shared.log,
    outbox: {
      confirmOutbox: async (_, ids) => {
        shared.confirmed.push(...ids);
      },
    },
    clock: systemClock,
    random: systemRandom,
  };
  const logger = createLogger('gateway', process.env['LOG_LEVEL'] ?? 'silent');
  const metrics = new Metrics('gateway');
  const gateway = new Gateway({ settings, ports, metrics, logger });
  const { mqtt, mqttWs, mqtts, mqttWss } = await gateway.start();
  const fixture: GatewayFixture = {
    ...shared,
    gateway,
    settings,
    metrics,
    ports: { mqtt: mqtt ?? 0, mqttWs: mqttWs ?? 0, mqtts: mqtts ?? 0, mqttWss: mqttWss ?? 0 },
    addDevice: async (id) => {
      await shared.registry.createDevice(TENANT, id as DeviceId, hashOfToken(`token-${id}`), Date.now());
      return deviceKey(TENANT, id as DeviceId);
    },
    connect: (id, { webSocket = false, ...client } = {}) => {
      const all = { clientId: id, username: id, password: `token-${id}`, reconnectPeriod: 0, ...client };
      // A test that is to connect again says so; without that, a socket that closes before its CONNACK is the end.
      const retries = all.reconnectPeriod > 0;
      return webSocket ? connectWebSocket(mqttWs ?? 0, all) : connectAsync(`mqtt://127.0.0.1:${mqtt}`, all, retries);
    },
    metric: async (start) => (await metrics.text()).split('\n').filter((line) => line.startsWith(start)),
    records: (lane) => recordsOfLane(shared.log, lane),
    recordsOf: async (id) => {
      const all = [...(await recordsOfLane(shared.log, 'control')), ...(await recordsOfLane(shared.log, 'telemetry'))];
      return all.filter((record) => record.device === id);
    },
    another: (other = options) => startOn(shared, other),
    stop: () => gateway.stop(),
  };
  return fixture;
}

function recordedArchive({ directory, archiveWrites }: Shared): SessionArchive {
  return {
    save: (partition, key, session) => {
      archiveWrites.push(`save ${key} ${session.sessionEpoch}`);
      return directory.save(partition, key, session);
    },
    extend: (partition, key, kept) => directory.extend(partition, key, kept),
    remove: (partition, key, sessionEpoch) => {
      archiveWrites.push(`remove ${key} ${sessionEpoch}`);
      return directory.remove(partition, key, sessionEpoch);
    },
  };
}

export async function recordsOfLane(log: EventLog, lane: Lane): Promise<readonly WireRecord[]> {
  const records: WireRecord[] = [];
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    let from = 0;
    for (;;) {
      const requests = [{ lane, partition: partition as Partition, from: from as Offset }];
      const [batch] = await log.read(requests, { framesMaxPerPartition: 1_000, waitMs: 0 });
      const last = batch?.frames.at(-1);
      if (batch === undefined || last === undefined) break;
      for (const frame of batch.frames) records.push(...frame.body.toString().split('\n').map(decodeRecord));
      from = last.lastOffset + 1;
    }
  }
  return records;
}

export function partitionOfDevice(key: DeviceKey): Partition {
  return partitionOf(key, PARTITIONS);
}

/** The client's own WebSocket support cannot be loaded under jest's export conditions, so it is given the stream. */
function connectWebSocket(port: number, options: IClientOptions): Promise<MqttClient> {
  const open = () => createWebSocketStream(new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt'));
  const client = new MqttClient(open, options);
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve(client));
    client.once('error', reject);
    client.once('close', () => reject(new Error('the connection was closed before it was answered')));
  });
}

const WAIT_MS = 30_000;
/** For machines that do much else: a test that hangs fails by `until` long before. */
const TEST_TIMEOUT_MS = 120_000;

jest.setTimeout(TEST_TIMEOUT_MS);

/** Waits for a condition, with a wide limit: what it waited for stands in the error. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
