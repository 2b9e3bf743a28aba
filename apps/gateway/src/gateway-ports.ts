import type {
  BanList,
  Clock,
  DeviceRegistry,
  DownlinkChannel,
  EventLog,
  Random,
  RefusalCounts,
  SessionArchive,
  SessionDirectory,
  TenantTrustStore,
  TwinStore,
} from '@breakwater/twin-runtime';

/** What the gateway needs of the outside. */
export interface GatewayPorts {
  readonly log: EventLog;
  /** Another instance on the same log, for reads that must not stand in the way of appends. */
  readonly tailLog: EventLog;
  readonly registry: DeviceRegistry;
  readonly bans: BanList;
  readonly trust: Pick<TenantTrustStore, 'changedAfter'>;
  readonly directory: SessionDirectory;
  readonly archive: SessionArchive;
  readonly downlinks: DownlinkChannel;
  readonly outbox: Pick<TwinStore, 'confirmOutbox'>;
  /** Where is counted what was turned away before the log. */
  readonly refusals: Pick<RefusalCounts, 'add'>;
  readonly clock: Clock;
  readonly random: Random;
}
