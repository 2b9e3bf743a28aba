import type { Counter, Gauge, Metrics } from '@breakwater/observability';

export interface HistoryMetrics {
  readonly changes: Pick<Counter<string>, 'inc'>;
  readonly missed: Pick<Counter<string>, 'inc'>;
  readonly failures: Pick<Counter<string>, 'inc'>;
  readonly lag: Pick<Gauge<string>, 'set'>;
}

export function historyMetrics(metrics: Metrics): HistoryMetrics {
  return {
    changes: metrics.counter('twin_history_changes_total', 'Changes of twins that were stored in the history'),
    missed: metrics.counter('twin_history_missed_total', 'Changes that left the feed before the history had them'),
    failures: metrics.counter('twin_history_failures_total', 'Tries to store changes that failed and are repeated'),
    lag: metrics.gauge('twin_history_lag_changes', 'Changes in the feed that the history does not have yet'),
  };
}
