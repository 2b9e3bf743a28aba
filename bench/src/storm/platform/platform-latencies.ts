import { PrometheusHistogram } from '../../prometheus-histogram.ts';

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

export interface PlatformLatencies {
  readonly twinMs: Quantiles;
  readonly rowMs: Quantiles;
}

type Pages = ReadonlyMap<string, string>;
const MS_PER_SECOND = 1_000;

/** Device → twin and device → row of what happened between two readings of the metrics. */
export function latenciesBetween(before: Pages, after: Pages): PlatformLatencies {
  return {
    twinMs: quantilesOf('breakwater_device_to_twin_seconds', before, after),
    rowMs: quantilesOf('breakwater_device_to_row_seconds', before, after),
  };
}

function quantilesOf(series: string, before: Pages, after: Pages): Quantiles {
  const histogram = new PrometheusHistogram();
  for (const [name, page] of after) {
    histogram.add(page, series);
    histogram.add(before.get(name) ?? '', series, -1);
  }
  return { p50: histogram.quantile(0.5) * MS_PER_SECOND, p99: histogram.quantile(0.99) * MS_PER_SECOND };
}
