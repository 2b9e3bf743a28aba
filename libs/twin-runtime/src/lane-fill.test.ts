import type { Offset, Partition } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { LaneFill } from './lane-fill.ts';
import type { Lane } from './ports/event-log.ts';
import { systemClock } from './system-clock.ts';

describe('the fill of the lanes', () => {
  it('is of each partition, and stands while the log is away', async () => {
    let isAway = false;
    const bounds = async (lane: Lane, partition: Partition) => {
      if (isAway) throw new Error('the log is away');
      const bytes = lane === 'control' ? partition : partition * 100;
      return { first: 0 as Offset, end: 0 as Offset, bytes };
    };
    const fill = new LaneFill({ log: { bounds }, clock: systemClock, partitionCount: 3 });
    expect(fill.bytes('telemetry')).toEqual([]);
    await fill.read();
    expect([fill.bytes('control'), fill.bytes('telemetry')]).toEqual([
      [0, 1, 2],
      [0, 100, 200],
    ]);
    isAway = true;
    fill.start();
    await fill.stop();
    expect(fill.bytes('telemetry')).toEqual([0, 100, 200]);
  });
});
