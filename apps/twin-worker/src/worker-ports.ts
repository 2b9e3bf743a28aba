import type {
  ChangeFeed,
  Clock,
  CommandHints,
  CommandSignals,
  DownlinkChannel,
  EventLog,
  OperationAnswers,
  PartitionMembership,
  Random,
  SessionDirectory,
  TelemetryHints,
  TwinStore,
} from '@breakwater/twin-runtime';

/** What a worker stands on: Redis in production, memory in tests. */
export interface WorkerPorts {
  readonly log: EventLog;
  readonly store: TwinStore;
  /** This process as a member of the group that shares out the partitions. */
  readonly membershipOf: (memberId: string) => PartitionMembership;
  readonly directory: SessionDirectory;
  readonly downlinks: DownlinkChannel;
  readonly changes: ChangeFeed;
  readonly answers: OperationAnswers;
  readonly commandSignals: Pick<CommandSignals, 'push'>;
  readonly commandHints: Pick<CommandHints, 'publish'>;
  readonly hints: Pick<TelemetryHints, 'publish'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Injection tokens: classes of libraries are never named in a constructor that Nest reads. */
export const WORKER_METRICS = Symbol('worker metrics');
export const WORKER_LOGGER = Symbol('worker logger');
