import type { WriterRange } from '@breakwater/adapter-clickhouse';
import type { LogId, Offset, Partition } from '@breakwater/twin';
import type {
  ChangeFeed,
  Clock,
  EventLog,
  PartitionMembership,
  SnapshotArchive,
  SnapshotSource,
  TwinStore,
} from '@breakwater/twin-runtime';

import type { HistoryStore } from './history/twin-history.ts';
import type { PositionMarks } from './position-marker.ts';
import type { TelemetryWriterOptions, WriterStores } from './telemetry-writer.ts';
import type { TurnLease } from './writer-turn.ts';

/** Everything outside this process that the writer leans on. */
export interface WriterPorts {
  /** The log for one more who waits in reads. */
  openReader(): EventLog & { close(): void };
  /** A log on a connection of its own: the reading one waits for records most of the time. */
  readonly trimLog: EventLog;
  /** Otherwise the engine of the log forgets by its own retention. */
  readonly isLogTrimmedByUs: boolean;
  /** Null where nothing beside the platform watches lag. */
  readonly marks: PositionMarks | null;
  readonly twins: Pick<TwinStore, 'ledger'>;
  storesOf(range: WriterRange): WriterStores;
  /** Up to where a log is stored, of all ranges, whichever processes have them. */
  storedPositions(logId: LogId): Promise<ReadonlyMap<Partition, Offset>>;
  readonly turnLease: TurnLease;
  /** This process's part in the group that shares the ranges out, where there are several. */
  membershipOf(memberId: string): PartitionMembership;
  /** On a connection of its own. */
  readonly changes: Pick<ChangeFeed, 'feedId' | 'read' | 'entryAt' | 'end'>;
  readonly history: HistoryStore;
  readonly snapshotSource: SnapshotSource;
  readonly snapshotArchive: SnapshotArchive;
  readonly logOrigins: TelemetryWriterOptions['logOrigins'];
  readonly clock: Clock;
}

export const WRITER_PORTS = Symbol('WriterPorts');
export const WRITER_SETTINGS = Symbol('WriterSettings');
export const WRITER_LOGGER = Symbol('WriterLogger');
export const WRITER_METRICS = Symbol('WriterMetrics');
