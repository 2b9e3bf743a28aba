import { describe, expect, it } from '@jest/globals';

import { RestartDelay } from './restart-delay.ts';

describe('the delay before a restart', () => {
  it('doubles to half a minute while the part keeps crashing', () => {
    const delay = new RestartDelay();
    const delays = Array.from({ length: 9 }, () => delay.next(1_000));
    expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('begins again after a run that lasted', () => {
    const delay = new RestartDelay();
    for (let crash = 0; crash < 5; crash += 1) delay.next(1_000);
    expect(delay.next(60_000)).toBe(250);
  });

  it('stays bounded however often the part crashes', () => {
    const delay = new RestartDelay();
    for (let crash = 0; crash < 5_000; crash += 1) expect(delay.next(0)).toBeLessThanOrEqual(30_000);
  });
});
