import type { TemporalHealth } from '@breakwater/adapter-temporal';
import type {
  BanList,
  ChangeFeed,
  Clock,
  CommandHints,
  CommandIndex,
  CommandWorkflows,
  DeviceRegistry,
  DownlinkChannel,
  EventLog,
  Lane,
  OperationAnswers,
  PartitionHolders,
  RefusalCounts,
  SessionDirectory,
  TenantTrustStore,
  TelemetryHints,
  TelemetryReader,
  TwinStore,
  WriterLedger,
} from '@breakwater/twin-runtime';
import type { DeviceCommandInput } from '@breakwater/wire';

/** Everything outside this process that the API leans on. One composition per adapter set hands them in. */
export interface ApiPorts {
  readonly clock: Clock;
  readonly registry: DeviceRegistry;
  readonly trust: TenantTrustStore;
  readonly log: EventLog;
  readonly twins: TwinStore;
  readonly bans: BanList;
  readonly holders: PartitionHolders;
  readonly sessions: SessionDirectory;
  readonly downlinks: DownlinkChannel;
  readonly changes: ChangeFeed;
  readonly telemetryHints: TelemetryHints;
  readonly answers: OperationAnswers;
  readonly commandIndex: CommandIndex;
  readonly commandHints: CommandHints;
  readonly commandWorkflows: Pick<CommandWorkflows<DeviceCommandInput>, 'start'>;
  readonly telemetry: TelemetryReader;
  readonly writerLedger: WriterLedger;
  readonly refusals: Pick<RefusalCounts, 'read'>;
  readonly temporal: TemporalHealth;
}

export const AUDIT_LOG = Symbol('AuditLog');
export const BAN_LIST = Symbol('BanList');
export const CLOCK = Symbol('Clock');
export const DEVICE_REGISTRY = Symbol('DeviceRegistry');
export const TENANT_TRUST = Symbol('TenantTrust');
export const EVENT_LOG = Symbol('EventLog');
export const TWIN_STORE = Symbol('TwinStore');
export const PARTITION_HOLDERS = Symbol('PartitionHolders');
export const SESSION_DIRECTORY = Symbol('SessionDirectory');
export const DOWNLINK_CHANNEL = Symbol('DownlinkChannel');
export const CHANGE_FEED = Symbol('ChangeFeed');
export const TELEMETRY_HINTS = Symbol('TelemetryHints');
export const OPERATION_ANSWERS = Symbol('OperationAnswers');
export const COMMAND_INDEX = Symbol('CommandIndex');
export const COMMAND_HINTS = Symbol('CommandHints');
export const COMMAND_WORKFLOWS = Symbol('CommandWorkflows');
export const TELEMETRY_READER = Symbol('TelemetryReader');
export const REFUSAL_COUNTS = Symbol('RefusalCounts');
export const WRITER_LEDGER = Symbol('WriterLedger');
export const TEMPORAL_HEALTH = Symbol('TemporalHealth');
export const API_OPTIONS = Symbol('ApiOptions');
export const LOGGER = Symbol('Logger');
export const METRICS = Symbol('Metrics');

/** The settings that services read, apart from where they came from. */
export interface ApiOptions {
  readonly auditLevel: 'info' | 'warn' | 'off';
  readonly auditLinesPerMinuteMax: number;
  readonly adminApiKey: string;
  readonly partitionCount: number;
  readonly memoryMegabytesMax: number;
  /** Child devices that may be registered under one gateway device. */
  readonly childrenMax: number;
  /** What each partition of a lane may hold in the log. */
  readonly laneBytesMax: Readonly<Record<Lane, number | null>>;
  readonly writeTimeoutMs: number;
  readonly readyWaitsForTelemetryMs: number;
  readonly writesInFlightMax: number;
  readonly bodyBytesMax: number;
  readonly streamsMax: number;
  readonly streamQueueMax: number;
  readonly heartbeatMs: number;
  readonly graphqlDepthMax: number;
  readonly graphqlCostMax: number;
  readonly webSocketInitTimeoutMs: number;
  readonly ledgerCheckIntervalMs: number;
  readonly ledgerAuditIntervalMs: number;
  /** Closed plans that one audit compares with their rows. */
  readonly ledgerAuditPlans: number;
}
