import { describe, expect, it } from '@jest/globals';

import { PrometheusHistogram } from './prometheus-histogram.ts';

const PAGE = `
# HELP breakwater_x_seconds something
breakwater_x_seconds_bucket{service="a",le="0.1"} 50
breakwater_x_seconds_bucket{service="a",le="0.2"} 100
breakwater_x_seconds_bucket{service="a",le="+Inf"} 100
`;

describe('PrometheusHistogram', () => {
  it('interpolates within the bucket that holds the quantile', () => {
    const histogram = new PrometheusHistogram();
    histogram.add(PAGE, 'breakwater_x_seconds');
    expect(histogram.count).toBe(100);
    expect(histogram.quantile(0.5)).toBeCloseTo(0.1);
    expect(histogram.quantile(0.75)).toBeCloseTo(0.15);
  });

  it('takes an earlier page away', () => {
    const histogram = new PrometheusHistogram();
    histogram.add(PAGE, 'breakwater_x_seconds');
    histogram.add(PAGE, 'breakwater_x_seconds', -1);
    expect(histogram.count).toBe(0);
    expect(histogram.quantile(0.99)).toBe(0);
  });
});
