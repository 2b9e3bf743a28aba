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
export function clickHouseStores(clickhouse: ClickHouse): WriterStores {
  return {
    plans: new PlanStore(clickhouse),
    records: new RecordSink(clickhouse),
    rows: new RowIdentity(clickhouse),
    prepare: async () => void (await migrateClickHouse(clickhouse)),
    deadLetterCounts: () => readDeadLetterTotals(clickhouse),
  };
}
