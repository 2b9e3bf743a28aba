import type { Counter, Gauge, Histogram, Metrics } from '@breakwater/observability';
import type { IngestPlan } from '@breakwater/adapter-clickhouse';

import { samplePointTimes } from './sample-point-times.ts';

export interface WriterMetrics {
  readonly failures: Pick<Counter<string>, 'inc'>;
  /** 1 while ClickHouse refuses what the writer sends, for a reason that does not pass by itself. */
  readonly refused: Pick<Gauge<string>, 'set'>;
  mismatch(found: { readonly recordsMissing: number; readonly repeatedRows: number }): void;
  readonly bufferedBytes: Pick<Gauge<string>, 'set'>;
  stored(plan: IngestPlan, bodies: ReadonlyMap<number, Buffer>, durationMs: number): void;
}

const SECONDS_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const AGE_BUCKETS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 60, 300];

/** The metrics of a process, which has one writer for each of its ranges. */
export interface WriterMetricsOfRanges {
  ofRange(range: number): WriterMetrics;
  /** The range is no longer here: what stood of it counts no more. */
  forget(range: number): void;
}

/** A gauge that says the sum of what each range says. */
class SummedGauge {
  readonly #gauge: Pick<Gauge<string>, 'set'>;
  readonly #values = new Map<number, number>();

  constructor(gauge: Pick<Gauge<string>, 'set'>) {
    this.#gauge = gauge;
  }

  set(range: number, value: number): void {
    this.#values.set(range, value);
    this.#gauge.set([...this.#values.values()].reduce((sum, one) => sum + one, 0));
  }

  ofRange(range: number): Pick<Gauge<string>, 'set'> {
    return { set: (value: unknown) => this.set(range, Number(value)) };
  }
}

export function writerMetrics(metrics: Metrics): WriterMetricsOfRanges {
  const records = metrics.counter('writer_records_total', 'Records that were stored, or needed no storing');
  const bytes = metrics.counter('writer_bytes_total', 'Bytes of lines that were inserted');
  const inserts = metrics.counter('writer_inserts_total', 'Inserts, one per plan and day');
  const seconds: Histogram<string> = metrics.histogram('writer_round_seconds', 'Time from a plan to its confirmation', {
    buckets: SECONDS_BUCKETS,
  });
  const deviceToRow: Histogram<string> = metrics.histogram(
    'device_to_row_seconds',
    "From the device's time of a measurement to its row in ClickHouse; a sample of the records",
    { buckets: AGE_BUCKETS },
  );
  const failures = metrics.counter('writer_failures_total', 'Tries that failed and were or will be repeated');
  const gauges = {
    missing: new SummedGauge(
      metrics.gauge('writer_records_missing', 'Records of closed plans without rows, at the last start'),
    ),
    repeated: new SummedGauge(
      metrics.gauge('writer_rows_repeated', 'Rows of closed plans stored more than once, at the last start'),
    ),
    refused: new SummedGauge(
      metrics.gauge('writer_refused', 'Ranges whose inserts ClickHouse refuses, which will not pass by itself'),
    ),
    buffered: new SummedGauge(metrics.gauge('writer_buffered_bytes', 'Bytes of the log that are held in memory')),
  };
  const common: Pick<WriterMetrics, 'failures' | 'stored'> = {
    failures,
    stored: (plan, bodies, durationMs) => {
      records.inc(plan.records);
      inserts.inc(plan.days.length);
      const nowMs = Date.now();
      for (const body of bodies.values()) {
        bytes.inc(body.length);
        for (const tsMs of samplePointTimes(body)) deviceToRow.observe(Math.max(nowMs - tsMs, 0) / 1_000);
      }
      seconds.observe(durationMs / 1_000);
    },
  };
  return {
    ofRange: (range) => ({
      ...common,
      mismatch: ({ recordsMissing, repeatedRows }) => {
        gauges.missing.set(range, recordsMissing);
        gauges.repeated.set(range, repeatedRows);
      },
      refused: gauges.refused.ofRange(range),
      bufferedBytes: gauges.buffered.ofRange(range),
    }),
    forget: (range) => {
      for (const gauge of Object.values(gauges)) gauge.set(range, 0);
    },
  };
}
