import { describe, expect, it } from '@jest/globals';

import { added } from './rotating-fleet.ts';

describe('added', () => {
  it('adds up CPU by process, and takes the worst of memory', () => {
    const usages = [
      [
        { name: 'gateway', cpuSeconds: 1, peakBytes: 500 },
        { name: 'redis', cpuSeconds: 2, peakBytes: 100 },
      ],
      [{ name: 'gateway', cpuSeconds: 3, peakBytes: 400 }],
    ];
    expect(added(usages)).toEqual([
      { name: 'gateway', cpuSeconds: 4, peakBytes: 500 },
      { name: 'redis', cpuSeconds: 2, peakBytes: 100 },
    ]);
  });
});
