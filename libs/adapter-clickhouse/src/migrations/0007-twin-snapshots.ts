import { DURABLE } from './0001-telemetry.ts';
import type { Migration } from './migration.ts';

/**
 * Twins as they are stored, the newest of each, with the positions of their shard at that moment. Positions only grow
 * in one log, and a state is a function of the records before them: so their sum orders the states of a twin, and
 * whoever stores one again stores the same. Two rows of a partition have no twin: the shard itself and how far rounds
 * reach.
 */
const TWIN_SNAPSHOTS = `CREATE TABLE IF NOT EXISTS {database}.twin_snapshots (
  partition UInt16, log_id LowCardinality(String), kind Enum8('shard' = 0, 'floor' = 1, 'twin' = 2),
  key String CODEC(ZSTD(1)), control UInt64 CODEC(ZSTD(1)), telemetry UInt64 CODEC(ZSTD(1)),
  age UInt64 MATERIALIZED control + telemetry, revision UInt64 CODEC(ZSTD(1)), deleted Bool CODEC(ZSTD(1)),
  state String CODEC(ZSTD(3)), taken_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree(age) ORDER BY (partition, log_id, kind, key)
SETTINGS ${DURABLE}`;

/** What a lost twin store is rebuilt from. */
export const twinSnapshotsMigration: Migration = {
  name: '0007-twin-snapshots',
  statements: [TWIN_SNAPSHOTS],
};
