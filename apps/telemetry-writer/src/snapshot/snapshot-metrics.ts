import type { Logger, Metrics } from '@breakwater/observability';
import type { SnapshotObserver } from '@breakwater/twin-runtime';

/** Counts the snapshots of twins, and logs what went wrong with them. */
export function snapshotMetrics(metrics: Metrics, logger: Logger): SnapshotObserver {
  const twins = metrics.counter('twin_snapshots_total', 'Twins that were copied for a rebuild');
  const rounds = metrics.counter('twin_snapshot_rounds_total', 'Rounds of snapshots that were completed');
  const failures = metrics.counter('twin_snapshot_failures_total', 'Rounds that failed and are repeated');
  const lag = metrics.gauge(
    'twin_snapshot_lag_records',
    'Records that a rebuild would replay, of one partition at most',
  );
  const behind = metrics.gauge(
    'twin_snapshot_partitions_behind_log',
    'Partitions of which the log has forgotten records that are in no snapshot: they could not be rebuilt',
  );
  return {
    roundEnded: (_partition, copied) => {
      rounds.inc();
      twins.inc(copied);
    },
    looked: ({ lagRecords, behindLog }) => {
      lag.set(lagRecords);
      behind.set(behindLog);
    },
    failed: (count, error) => {
      failures.inc();
      logger.warn({ failures: count, err: error }, 'twins were not copied; the next round has them too');
    },
  };
}
