import type { Lane, LedgerReading } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import { StalledConsumers } from './stalled-consumers.ts';

type Lanes = LedgerReading['lanes'];

/** Partitions of the telemetry lane, each with its end and where its consumers are; null cannot be asked. */
function lanesOf(...places: readonly { end: number; twins: number; writer: number | null }[]): Lanes {
  const lane: Lane = 'telemetry';
  return places.map(({ end, twins, writer }, partition) => ({
    ...{ lane, partition, bounds: { first: 0, end, bytes: 0 } },
    consumers: [
      { consumer: 'twins', position: twins },
      ...(writer === null ? [] : [{ consumer: 'writer', position: writer }]),
    ],
  })) as unknown as Lanes;
}

describe('consumers that stand still', () => {
  it('are those whose position stays while there is something to take', () => {
    const stalled = new StalledConsumers();
    const note = (lanes: Lanes, nowMs: number) =>
      Object.fromEntries(stalled.note({ lanes }, nowMs).map(({ consumer, ms }) => [consumer, ms]));
    expect(note(lanesOf({ end: 10, twins: 10, writer: 4 }), 1_000)).toEqual({ twins: 0, writer: 0 });
    // Nothing to take is no standstill, however long it lasts.
    expect(note(lanesOf({ end: 10, twins: 10, writer: 4 }), 6_000)).toEqual({ twins: 0, writer: 5_000 });
    expect(note(lanesOf({ end: 20, twins: 10, writer: 4 }), 9_000)).toEqual({ twins: 3_000, writer: 8_000 });
    expect(note(lanesOf({ end: 20, twins: 20, writer: 5 }), 11_000)).toEqual({ twins: 0, writer: 0 });
  });

  it('are found in one partition of many, and while they cannot be asked', () => {
    const stalled = new StalledConsumers();
    const moving = (position: number) => ({ end: 100, twins: position, writer: position });
    stalled.note({ lanes: lanesOf(moving(1), { end: 9, twins: 9, writer: 9 }) }, 0);
    stalled.note({ lanes: lanesOf(moving(2), { end: 12, twins: 12, writer: null }) }, 5_000);
    const told = stalled.note({ lanes: lanesOf(moving(3), { end: 12, twins: 12, writer: null }) }, 10_000);
    expect(told.find(({ consumer }) => consumer === 'writer')?.ms).toBe(10_000);
    expect(told.find(({ consumer }) => consumer === 'twins')?.ms).toBeLessThan(10_000);
  });
});
