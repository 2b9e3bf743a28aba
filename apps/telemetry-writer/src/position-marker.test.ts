import type { Offset, Partition } from '@breakwater/twin';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { describe, expect, it } from '@jest/globals';

import { PositionMarker } from './position-marker.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;

describe('the marks of the writer', () => {
  it('follow what has moved, and again after a mark that failed', async () => {
    const marked: (readonly [number, number])[][] = [];
    const positions = new Map([
      [P0, 5 as Offset],
      [P1, 7 as Offset],
    ]);
    let isAway = true;
    const marks = {
      intervalMs: 1_000,
      mark: async (moved: ReadonlyMap<Partition, number>) => {
        if (isAway) throw new Error('no coordinator');
        marked.push([...moved]);
      },
    };
    const clock = new VirtualClock(0);
    const marker = new PositionMarker({ marks, positions: () => positions, clock });
    marker.start();
    await clock.advance(2_500);
    isAway = false;
    await clock.advance(1_000);
    positions.set(P1, 9 as Offset);
    await clock.advance(3_000);
    const stopped = marker.stop();
    await clock.advance(1_000);
    await stopped;
    expect(marked).toEqual([
      [
        [0, 5],
        [1, 7],
      ],
      [[1, 9]],
    ]);
  });
});
