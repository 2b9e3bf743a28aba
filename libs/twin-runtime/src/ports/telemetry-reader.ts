import type {
  CommandState,
  DeviceId,
  JsonObject,
  JsonValue,
  LogId,
  Partition,
  TenantId,
  TwinCommand,
} from '@breakwater/twin';

/** One stored measurement. */
export interface TelemetryItem {
  readonly tsMs: number;
  readonly key: string;
  readonly value: JsonValue;
}

/** `nextCursor` is opaque and null at the end. It belongs to the query that it came from, with every field the same. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

export interface TelemetryQuery {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  /** Only these keys; all when left out or empty. */
  readonly keys?: readonly string[];
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly limit: number;
  readonly cursor?: string | null;
}

export const AGGREGATIONS = ['avg', 'min', 'max', 'sum', 'count', 'last'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

export interface AggregateQuery extends TelemetryQuery {
  /** Width of a bucket; buckets start at multiples of it (Unix time, UTC). */
  readonly stepMs: number;
  readonly agg: Aggregation;
}

/** A bucket's aggregate: `tsMs` is the start of the bucket. Numbers and booleans (0, 1) take part; texts do not. */
export interface AggregateItem {
  readonly tsMs: number;
  readonly key: string;
  readonly value: number;
}

export interface EventQuery {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  /** Only events of this name; all when left out. */
  readonly name?: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit: number;
  readonly cursor?: string | null;
}

export interface EventItem {
  readonly tsMs: number;
  readonly receivedAtMs: number;
  readonly name: string;
  readonly data: JsonValue;
  /** The device's own id of the message, or ''. */
  readonly messageId: string;
}

/** A range of one twin's changes. */
export type TwinHistoryQuery = Omit<EventQuery, 'name'>;

/** A twin as it was after one change. */
export interface TwinHistoryItem {
  readonly tsMs: number;
  readonly incarnation: number;
  /** Grows with every change of this life of the device; numbers that no item has were changes of the same batch. */
  readonly changeNumber: number;
  readonly version: number;
  readonly reportedVersion: number;
  /** What changed. */
  readonly sections: readonly string[];
  readonly document: JsonObject;
}

export interface CommandQuery {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  /** Only this one; all of the device when left out. */
  readonly commandId?: string;
  /** Only those that are in this state now. */
  readonly state?: CommandState;
  readonly limit: number;
  /** Only those that stand behind it in the list; the whole list when left out. */
  readonly after?: CommandPlace | null;
}

/** Where a command stands in the list of a device, which begins with the one that was ordered last. */
export type CommandPlace = Pick<TwinCommand, 'orderedAtMs' | 'commandId'>;

export interface CommandPage {
  readonly items: readonly TwinCommand[];
  readonly hasMore: boolean;
}

export interface DeadLetterQuery {
  readonly tenant: TenantId;
  /** Only those of this device; all when left out. */
  readonly device?: DeviceId;
  readonly limit: number;
  readonly cursor?: string | null;
}

export interface DeadLetterItem {
  readonly receivedAtMs: number;
  readonly device: string;
  readonly code: string;
  readonly detail: string;
  readonly topic: string;
  /** The bytes as they were received. */
  readonly payloadBase64: string;
  readonly sender: string;
  readonly messageId: string;
}

/** What stands in the store, counted from the rows themselves and not from any counter: the audit's other side. */
export interface StoredCounts {
  readonly partition: Partition;
  /** Rows of raw telemetry, and of how many records. */
  readonly rows: number;
  readonly records: number;
  /** Repeated identities (log id, lane, partition, offset, index): 0 unless something is broken. */
  readonly duplicateRows: number;
  readonly events: number;
  /** Changes of commands. */
  readonly commandChanges: number;
  readonly deadLetters: number;
}

/** Records of the telemetry lane by what the writer made of them. */
export type WriterCounts = Readonly<Record<'stored' | 'nothingToStore' | 'dead', number>>;

/** What the writer says of one partition. Positions and counts were stored in one write. */
export interface WriterLedgerEntry {
  readonly partition: Partition;
  /** The next offset of the telemetry lane that the writer will take. */
  readonly position: number;
  /** Records by outcome; their sum is `position` less the offset at which this log began. */
  readonly counts: WriterCounts;
  /** The same by tenant; null while it is not known, because a build counted that did not tell them apart. */
  readonly tenants: Readonly<Record<string, WriterCounts>> | null;
  /** Plans that were begun and not yet confirmed. */
  readonly openPlans: number;
  /** The log that position and counts belong to. */
  readonly logId: LogId;
  /** The offset at which it began to count in this log. */
  readonly began: number;
}

/** Closed plans compared with the rows that are there, counted from the rows and from no counter. */
export interface WriterAudit {
  /** Numbers of the first and the last plan that were compared; null when there was none to compare. */
  readonly plans: { readonly first: number; readonly last: number } | null;
  /** Records that must have rows, less those that have. */
  readonly recordsMissing: number;
  readonly repeatedRows: number;
}

/**
 * What was measured, as applications read it. All lists are newest first. A cursor that cannot be read rejects with
 * `PlatformError` code `REQUEST_INVALID`; a store that is away or too slow with `BACKEND_UNAVAILABLE` (retryable).
 */
export interface TelemetryReader {
  readTelemetry(query: TelemetryQuery): Promise<Page<TelemetryItem>>;
  readAggregated(query: AggregateQuery): Promise<Page<AggregateItem>>;
  readEvents(query: EventQuery): Promise<Page<EventItem>>;
  /** Each command as it was after its last change, the one that was ordered last first. */
  readCommands(query: CommandQuery): Promise<CommandPage>;
  readDeadLetters(query: DeadLetterQuery): Promise<Page<DeadLetterItem>>;
  readTwinHistory(query: TwinHistoryQuery): Promise<Page<TwinHistoryItem>>;
  readStoredCounts(): Promise<readonly StoredCounts[]>;
}

/** The telemetry writer's side of the ledger. Partitions that never had a record are left out. */
export interface WriterLedger {
  readWriterLedger(): Promise<readonly WriterLedgerEntry[]>;
  /** Compares the newest closed plans of a log, at most so many, with the rows that are stored. */
  auditNewest(logId: LogId, plansMax: number): Promise<WriterAudit>;
}
