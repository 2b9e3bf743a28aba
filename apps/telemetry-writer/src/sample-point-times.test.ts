import { describe, expect, it } from '@jest/globals';

import { samplePointTimes } from './sample-point-times.ts';

describe('samplePointTimes', () => {
  it('reads the time of the first point of lines that lie far apart', () => {
    const line = (tsMs: number) =>
      `{"v":1,"k":"telemetry","pad":"${'x'.repeat(10_000)}","p":[{"ts":${tsMs},"n":{"a":1}}]}`;
    const body = Buffer.from([1_760_000_000_000, 1_760_000_000_001, 1_760_000_000_002].map(line).join('\n'));
    expect(samplePointTimes(body)).toEqual([1_760_000_000_000, 1_760_000_000_001, 1_760_000_000_002]);
  });

  it('finds nothing where there is no telemetry', () => {
    expect(samplePointTimes(Buffer.from('{"v":1,"k":"event","data":{}}'))).toEqual([]);
    expect(samplePointTimes(Buffer.alloc(0))).toEqual([]);
  });
});
