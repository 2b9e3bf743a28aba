import { describe, expect, it } from '@jest/globals';
import type { DeviceKey } from '@breakwater/twin';

import { DeadLetterQuota } from './dead-letter-quota.ts';

const HOUR = 3_600_000;

describe('DeadLetterQuota', () => {
  it('counts bytes per device and hour, for a bounded number of devices', () => {
    const quota = new DeadLetterQuota({ bytesPerHourMax: 100, devicesMax: 2 });
    const [a, b, c] = ['t/a', 't/b', 't/c'] as [DeviceKey, DeviceKey, DeviceKey];
    expect([quota.take(a, 60, 0), quota.take(a, 41, 1), quota.take(a, 40, 2), quota.take(a, 1, 3)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([quota.take(b, 100, 4), quota.take(c, 1, 5)]).toEqual([true, false]);
    expect([quota.take(c, 100, HOUR), quota.take(a, 100, HOUR)]).toEqual([true, true]);
  });
});
