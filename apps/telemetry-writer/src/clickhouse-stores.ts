import {
  isRetired,
  migrateClickHouse,
  partitionsOfRange,
  PlanStore,
  readDeadLetterTotals,
  readKeptDeadLetters,
  readWriterChains,
  RecordSink,
  RowIdentity,
  WHOLE_LANE,
  type ClickHouse,
  type WriterRange,
} from '@breakwater/adapter-clickhouse';

import type { WriterStores } from './telemetry-writer.ts';

/** A range's side of ClickHouse. */
export function clickHouseStores(
  connection: ClickHouse,
  { range, partitionCount }: { readonly range: WriterRange; readonly partitionCount: number } = {
    range: WHOLE_LANE,
    partitionCount: 0,
  },
): WriterStores {
  const abandoned = new AbortController();
  const clickhouse = { ...connection, signal: abandoned.signal };
  const records = new RecordSink(clickhouse);
  const rows = new RowIdentity(clickhouse);
  return {
    plans: new PlanStore(clickhouse, range),
    records,
    rows,
    divisions: {
      chains: () => readWriterChains(clickhouse),
      isRetired,
      of: (chain) => ({ plans: new PlanStore(clickhouse, chain.range), records, rows }),
    },
    prepare: async () => void (await migrateClickHouse(clickhouse)),
    abandon: () => abandoned.abort(),
    deadLetterCounts: () =>
      range.of === 1
        ? readDeadLetterTotals(clickhouse)
        : readKeptDeadLetters(clickhouse, partitionsOfRange(range, partitionCount)),
  };
}
