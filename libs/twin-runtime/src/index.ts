export { ControlProducer } from './control-producer.ts';
export { LaneFill } from './lane-fill.ts';
export type { ControlProducerOptions, RecordAppend } from './control-producer.ts';
export { LastingImbalances } from './ledger/lasting-imbalances.ts';
export type { LastingImbalance } from './ledger/lasting-imbalances.ts';
export { CONSUMERS, IMBALANCE_KINDS, imbalancesOf, sumOf, tenantDifferences } from './ledger/ledger-balance.ts';
export type { Consumer, ConsumerReading, Imbalance, ImbalanceKind, LogReading } from './ledger/ledger-balance.ts';
export { readLedger } from './ledger/read-ledger.ts';
export type { LaneReading, LedgerParts, LedgerReading } from './ledger/read-ledger.ts';
export {
  decodeChange,
  decodeCommand,
  decodeDeadLetter,
  decodeDownlink,
  encodeChange,
  encodeCommand,
  encodeDeadLetter,
  encodeDownlink,
} from './outbox-payload.ts';
export type { CommandPayload, DeadLetterPayload } from './outbox-payload.ts';
export { PlatformError } from './platform-error.ts';
export { banIdOf } from './ports/ban-list.ts';
export type { Ban, BanList, BanReason, BanSnapshot, BanSubject, NewBan } from './ports/ban-list.ts';
export type { ChangeFeed, ChangeRecord, FeedEntry } from './ports/change-feed.ts';
export type { Clock, Random } from './ports/clock.ts';
export { DEFAULT_DEVICE_PROFILE, PAYLOAD_FORMATS } from './ports/device-registry.ts';
export type {
  ChildLimits,
  DeviceProfile,
  DeviceRegistry,
  PayloadFormat,
  RegisteredDevice,
  Tenant,
} from './ports/device-registry.ts';
export type { Downlink, DownlinkChannel, GatewayNotice } from './ports/downlink-channel.ts';
export type { CommandHint, CommandHints } from './ports/command-hints.ts';
export type { CommandClaim, CommandIndex } from './ports/command-index.ts';
export type { CommandSignal, CommandSignals } from './ports/command-signals.ts';
export type { CommandName, CommandWorkflows } from './ports/command-workflows.ts';
export type { EffectDispatcher } from './ports/effect-dispatcher.ts';
export { LANES, RESERVE_SHARES } from './ports/event-log.ts';
export type {
  AppendRequest,
  AppendResult,
  EventLog,
  Lane,
  LogBounds,
  LogFrame,
  LogOrigin,
  ReadBatch,
  ReadLimits,
  ReadRequest,
  RecordSource,
} from './ports/event-log.ts';
export type { OperationAnswer, OperationAnswers } from './ports/operation-answers.ts';
export type { PartitionHolders, PartitionLeases } from './ports/partition-leases.ts';
export type { PartitionClaims, PartitionMembership, StoreReach } from './ports/partition-membership.ts';
export { REFUSAL_LINES_MAX } from './ports/refusal-counts.ts';
export type { Refusal, RefusalCounts, RefusalFlush } from './ports/refusal-counts.ts';
export type { InputRecord, RecordAppender } from './ports/record-appender.ts';
export type { DecodedRecord, RecordDecoder } from './ports/record-decoder.ts';
export type { ArchivedSession, SessionArchive, SessionToKeep } from './ports/session-archive.ts';
export { LEAVING_SESSIONS_MAX } from './ports/session-directory.ts';
export type { LeavingSession, OpenedSession, SessionDirectory, SessionEntry } from './ports/session-directory.ts';
export type {
  CommitResult,
  DueTimer,
  LanePositions,
  OutboxEntry,
  OutcomeCounts,
  Ownership,
  RecordAttempt,
  ShardCommit,
  ShardCopy,
  ShardLedger,
  StoredTwin,
  TenantCounts,
  TenantLedger,
  TimerWrite,
  TwinCopier,
  TwinStore,
  TwinWrite,
} from './ports/twin-store.ts';
export { SnapshotLoop } from './snapshots/snapshot-loop.ts';
export type { SnapshotLoopOptions, SnapshotObserver } from './snapshots/snapshot-loop.ts';
export type {
  ArchivedPartition,
  ArchivedTwin,
  PartitionSnapshot,
  SnapshotArchive,
  SnapshotRound,
  SnapshotSource,
  RestoreStart,
  TwinRestorer,
} from './ports/twin-snapshots.ts';
export { SECTION_END } from './ports/twin-store.ts';
export type { TenantTrust, TenantTrustStore, TrustChanges } from './ports/tenant-trust.ts';
export { TELEMETRY_HINT_KEYS_MAX } from './ports/telemetry-hints.ts';
export type { TelemetryHints } from './ports/telemetry-hints.ts';
export { AGGREGATIONS } from './ports/telemetry-reader.ts';
export type {
  AggregateItem,
  AggregateQuery,
  Aggregation,
  CommandPage,
  CommandPlace,
  CommandQuery,
  DeadLetterItem,
  DeadLetterQuery,
  EventItem,
  EventQuery,
  Page,
  StoredCounts,
  TelemetryItem,
  TelemetryQuery,
  TelemetryReader,
  TwinHistoryItem,
  TwinHistoryQuery,
  WriterAudit,
  WriterLedger,
  WriterCounts,
  WriterLedgerEntry,
} from './ports/telemetry-reader.ts';
export { silentObserver } from './region-observer.ts';
export type { CommittedBatch, RegionObserver, ShardEnd } from './region-observer.ts';
export { DEFAULT_RUNTIME_LIMITS } from './runtime-limits.ts';
export type { RuntimeLimits } from './runtime-limits.ts';
export { SessionReaper } from './session-reaper.ts';
export type { SessionReaperLimits, SessionReaperOptions } from './session-reaper.ts';
export { partitionsOf } from './sharding/assignment.ts';
export { HEARTBEATS_PER_LEASE, LeasedMembership } from './sharding/leased-membership.ts';
export type { LeasedMembershipOptions } from './sharding/leased-membership.ts';
export { OTHER_TENANTS, TenantNames, UNREADABLE } from './sharding/outcome-tally.ts';
export { ShardRegion } from './sharding/shard-region.ts';
export type { RegionStatus, ShardRegionOptions } from './sharding/shard-region.ts';
export { TwinCache } from './sharding/twin-cache.ts';
export type { CachedTwin, TwinHome } from './sharding/twin-cache.ts';
export { systemClock, systemRandom } from './system-clock.ts';
export { twinModel } from './twin-model.ts';
export type { TwinModel } from './twin-model.ts';
