import { describe, expect, it } from '@jest/globals';

import { LatencyHistogram } from './latency-histogram.ts';

describe('LatencyHistogram', () => {
  it('answers quantiles within five per cent', () => {
    const histogram = new LatencyHistogram();
    for (let latencyMs = 1; latencyMs <= 1000; latencyMs += 1) histogram.record(latencyMs);
    expect(histogram.count).toBe(1000);
    expect(Math.abs(histogram.quantile(0.5) - 500) / 500).toBeLessThan(0.06);
    expect(Math.abs(histogram.quantile(0.99) - 990) / 990).toBeLessThan(0.06);
    expect(histogram.quantile(1)).toBe(1000);
  });

  it('survives a trip through a message', () => {
    const histogram = new LatencyHistogram();
    histogram.record(12);
    const copy = new LatencyHistogram(histogram.snapshot());
    expect(copy.count).toBe(1);
    expect(copy.quantile(0.5)).toBe(histogram.quantile(0.5));
  });
});
