import { randomUUID } from 'node:crypto';

import {
  MemoryBanList,
  MemoryChangeFeed,
  MemoryCommandHints,
  MemoryCommandIndex,
  MemoryCommandWorkflows,
  MemoryDeviceRegistry,
  MemoryDownlinkChannel,
  MemoryEventLog,
  MemoryOperationAnswers,
  MemoryPartitionLeases,
  MemoryRefusalCounts,
  MemorySessionDirectory,
  MemoryTelemetryHints,
  MemoryTenantTrustStore,
  MemoryTwinStore,
} from '@breakwater/adapter-memory';
import { createLogger, Metrics } from '@breakwater/observability';
import type { DeviceId, LogId, Partition, SessionEpoch, TenantId } from '@breakwater/twin';
import { ControlProducer, systemClock } from '@breakwater/twin-runtime';
import { type DeviceCommandInput, encodeRecord, type RecordMessage } from '@breakwater/wire';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { createApiApplication } from '../src/api-application.ts';
import type { ApiOptions } from '../src/api-ports.ts';
import { ControlWriter } from '../src/services/control-writer.ts';
import { MemoryTelemetry } from './memory-telemetry.ts';
import { MemoryWorker } from './memory-worker.ts';

const LEASE_TTL_MS = 3_600_000;
const LANE_BYTES_MAX = 1024 * 1024;
export const ADMIN_KEY = 'the-admin-key-of-the-tests';

/** What a test reads out of an answer: the expectations say what it has to be. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Parsed JSON, or text. */
  readonly body: Loose;
}

export interface RequestOptions {
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Sent as it is. */
  readonly rawBody?: string;
}

/** The whole API over memory adapters, with a worker that can be stopped. */
export class MemoryPlatform {
  readonly changes: MemoryChangeFeed;
  readonly log: MemoryEventLog;
  readonly telemetry = new MemoryTelemetry();
  readonly registry = new MemoryDeviceRegistry();
  readonly trust = new MemoryTenantTrustStore();
  readonly twins = new MemoryTwinStore();
  readonly telemetryHints = new MemoryTelemetryHints();
  readonly commandIndex = new MemoryCommandIndex(systemClock);
  readonly commandHints = new MemoryCommandHints();
  readonly commandWorkflows = new MemoryCommandWorkflows<DeviceCommandInput>();
  readonly answers = new MemoryOperationAnswers();
  readonly refusals = new MemoryRefusalCounts();
  readonly bans = new MemoryBanList(systemClock, { bansMax: 100 });
  readonly leases = new MemoryPartitionLeases(systemClock);
  readonly sessions = new MemorySessionDirectory(systemClock);
  readonly downlinks = new MemoryDownlinkChannel(systemClock);
  readonly worker: MemoryWorker;
  temporalTrouble: string | null = null;
  #telemetryTsMs = Date.now();
  readonly options: ApiOptions;
  app!: NestFastifyApplication;

  constructor(
    options: Partial<Omit<ApiOptions, 'laneBytesMax'>> & { entriesKept?: number; laneBytesMax?: number } = {},
  ) {
    const { entriesKept, laneBytesMax, ...rest } = options;
    this.options = {
      adminApiKey: ADMIN_KEY,
      auditLevel: 'info',
      auditLinesPerMinuteMax: 60,
      memoryMegabytesMax: 600,
      partitionCount: 4,
      childrenMax: 2,
      laneBytesMax: { control: laneBytesMax ?? LANE_BYTES_MAX, telemetry: laneBytesMax ?? LANE_BYTES_MAX },
      writeTimeoutMs: 10_000,
      readyWaitsForTelemetryMs: 600_000,
      writesInFlightMax: 100,
      bodyBytesMax: 256 * 1024,
      streamsMax: 10,
      streamQueueMax: 100,
      heartbeatMs: 15_000,
      graphqlDepthMax: 8,
      graphqlCostMax: 1_000,
      webSocketInitTimeoutMs: 10_000,
      ledgerCheckIntervalMs: 5_000,
      ledgerAuditIntervalMs: 60_000,
      ledgerAuditPlans: 16,
      ...rest,
    };
    this.changes = new MemoryChangeFeed(systemClock, entriesKept === undefined ? {} : { entriesKept });
    this.log = new MemoryEventLog({
      clock: systemClock,
      logId: 'test-log' as LogId,
      laneBytesMax: laneBytesMax ?? LANE_BYTES_MAX,
    });
    this.worker = new MemoryWorker(this, this.options.partitionCount);
  }

  async start(): Promise<this> {
    this.app = await createApiApplication({
      ports: {
        clock: systemClock,
        registry: this.registry,
        refusals: this.refusals,
        trust: this.trust,
        log: this.log,
        twins: this.twins,
        bans: this.bans,
        holders: this.leases,
        sessions: this.sessions,
        downlinks: this.downlinks,
        changes: this.changes,
        telemetryHints: this.telemetryHints,
        commandIndex: this.commandIndex,
        commandHints: this.commandHints,
        commandWorkflows: this.commandWorkflows,
        answers: this.answers,
        telemetry: this.telemetry,
        writerLedger: this.telemetry,
        temporal: { trouble: () => Promise.resolve(this.temporalTrouble) },
      },
      options: this.options,
      metrics: new Metrics('api'),
      logger: createLogger('api', 'silent'),
    });
    await this.app.getHttpAdapter().getInstance().ready();
    const partitions = Array.from({ length: this.options.partitionCount }, (_, number) => number as Partition);
    await this.leases.acquire(partitions, 'worker', LEASE_TTL_MS);
    this.worker.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.worker.stop();
    await this.app.close();
  }

  async request(method: string, url: string, options: RequestOptions = {}): Promise<Answer> {
    const key = options.key === undefined ? ADMIN_KEY : options.key;
    const payload = options.rawBody ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const response = await this.app.inject({
      method: method as 'GET',
      url,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(payload === undefined ? {} : { payload }),
    });
    const isJson = /\bjson\b/.test(String(response.headers['content-type'] ?? ''));
    return {
      status: response.statusCode,
      headers: response.headers as Record<string, string | undefined>,
      body: isJson ? (JSON.parse(response.body) as unknown) : response.body,
    };
  }

  async device(id: string, key: string = ADMIN_KEY): Promise<string> {
    const { status, body } = await this.request('POST', '/api/v1/devices', { key, body: { id } });
    if (status !== 201) throw new Error(`a device could not be created: ${JSON.stringify(body)}`);
    // Its creation is a change of its twin: a view that is opened later must not be told of it.
    await this.worker.settled();
    return body.token as string;
  }

  /** As from the device: the worker applies it and tells live views. */
  async sendTelemetry(id: string, value: number): Promise<void> {
    const device = await this.registry.findDevice('default' as TenantId, id as DeviceId);
    if (device === null) throw new Error(`there is no device ${id}`);
    const points = [{ tsMs: this.#telemetryTsMs++, values: new Map([['temp', value]]) }];
    await this.app.get(ControlWriter).append(device, { kind: 'telemetry', points }, '');
  }

  /** As a gateway tells it of the device, in its first session. */
  async tellTwin(id: string, message: RecordMessage, sessionEpoch = 1): Promise<void> {
    const device = await this.registry.findDevice('default' as TenantId, id as DeviceId);
    if (device === null) throw new Error(`there is no device ${id}`);
    const line = encodeRecord({
      ...device,
      sessionEpoch: sessionEpoch as SessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: Date.now(),
      traceparent: '',
      message,
    });
    const partition = this.app.get(ControlWriter).partitionOf(device);
    await new ControlProducer({ log: this.log, clock: systemClock, producerId: randomUUID() }).append(
      'control',
      partition,
      line,
    );
  }

  async tenant(id: string): Promise<string> {
    const { body } = await this.request('POST', '/api/v1/tenants', { body: { id } });
    return body.apiKey as string;
  }
}
