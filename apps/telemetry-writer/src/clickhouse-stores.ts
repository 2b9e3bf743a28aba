import {
  migrateClickHouse,
  PlanStore,
  readDeadLetterTotals,
  RecordSink,
  RowIdentity,
  type ClickHouse,
} from '@breakwater/adapter-clickhouse';

import type { WriterStores } from './telemetry-writer.ts';

/** The writer's side of ClickHouse. */
export function clickHouseStores(connection: ClickHouse): WriterStores {
  const abandoned = new AbortController();
  const clickhouse = { ...connection, signal: abandoned.signal };
  return {
    plans: new PlanStore(clickhouse),
    records: new RecordSink(clickhouse),
    rows: new RowIdentity(clickhouse),
    prepare: async () => void (await migrateClickHouse(clickhouse)),
    abandon: () => abandoned.abort(),
    deadLetterCounts: () => readDeadLetterTotals(clickhouse),
  };
}
