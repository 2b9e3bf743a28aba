import { describe, expect, it } from '@jest/globals';

import { ratiosOf } from './run-tenants-benchmark.ts';

function phase(isLoud: boolean, p99: number) {
  return { isLoud, pubackMs: { p50: 1, p99 }, twinMs: { p50: 1, p99: p99 * 2 }, loudAcknowledgedPerSecond: 1 };
}

describe('what a noisy tenant moves', () => {
  it('is told against the quiet phases around each noisy one', () => {
    const phases = [phase(false, 10), phase(true, 12), phase(false, 14), phase(true, 30), phase(false, 16)];
    expect(ratiosOf(phases)).toEqual({ pubackP99Ratios: [1, 2], twinP99Ratios: [1, 2] });
  });
});
