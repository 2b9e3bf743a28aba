export { clickHouseFailure } from './clickhouse-failure.ts';
export { connectClickHouse } from './connect-clickhouse.ts';
export type { ClickHouse, ClickHouseOptions } from './connect-clickhouse.ts';
export {
  BEFORE_TENANTS,
  chainMarkOf,
  INSERT_SETTINGS,
  insertToken,
  PLANS_PER_TENANT_TOTALS,
} from './ingest/ingest-plan.ts';
export type {
  ChainMark,
  IngestPlan,
  InsertSettings,
  PlanDay,
  PlanPartition,
  PlanTenant,
} from './ingest/ingest-plan.ts';
export { PlanStore } from './ingest/plan-store.ts';
export type { LastPlan } from './ingest/plan-store.ts';
export { sumByTenant } from './ingest/tenant-sums.ts';
export { plansWithRows } from './ingest/plans-with-rows.ts';
export type { AuditedPlan } from './ingest/plans-with-rows.ts';
export { isRefusedForLines } from './ingest/refused-for-lines.ts';
export { RecordSink } from './ingest/record-sink.ts';
export { ClickHouseSnapshotArchive } from './history/clickhouse-snapshot-archive.ts';
export { TwinHistoryStore } from './history/twin-history-store.ts';
export { migrateClickHouse } from './migrations/migrate.ts';
export { readDeadLetterTotals, readKeptDeadLetters } from './ingest/dead-letter-totals.ts';
export { ClickHouseTelemetryReader } from './read/clickhouse-telemetry-reader.ts';
export { StoredAudit } from './read/stored-audit.ts';
export type { OffsetRange, RepeatedRow, RollupDifference, WriterChainInLog } from './read/stored-audit.ts';
export { ClickHouseWriterLedger } from './read/clickhouse-writer-ledger.ts';
export { RowIdentity } from './ingest/row-identity.ts';
export type { StoredKind } from './ingest/row-identity.ts';
export { DEDUPLICATION_WINDOW_BLOCKS } from './migrations/0001-telemetry.ts';
export { isRetired, readWriterChains } from './ingest/writer-chains.ts';
export type { WriterChain } from './ingest/writer-chains.ts';
export {
  partitionsOfRange,
  rangeOfScope,
  scopeOf,
  SKIPPED_RANGE,
  WHOLE_LANE,
  WRITER_RANGES_MAX,
} from './ingest/writer-range.ts';
export type { WriterRange } from './ingest/writer-range.ts';
