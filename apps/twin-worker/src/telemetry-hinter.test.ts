import { describe, expect, it } from '@jest/globals';
import type { DeviceKey, Partition } from '@breakwater/twin';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import { TelemetryHinter } from './telemetry-hinter.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const key = (number: number): DeviceKey => `default/d${number}` as DeviceKey;

function hinter(): {
  readonly told: [Partition, readonly DeviceKey[]][];
  readonly failures: unknown[];
  readonly clock: VirtualClock;
  readonly hints: { failing: boolean };
  readonly subject: TelemetryHinter;
} {
  const told: [Partition, readonly DeviceKey[]][] = [];
  const failures: unknown[] = [];
  const clock = new VirtualClock(0);
  const hints = {
    failing: false,
    publish: async (partition: Partition, keys: readonly DeviceKey[]): Promise<void> => {
      if (hints.failing) throw new Error('no connection');
      told.push([partition, keys]);
    },
  };
  const subject = new TelemetryHinter({ hints, clock, onFailure: (error) => failures.push(error) });
  void subject.run(new AbortController().signal);
  return { told, failures, clock, hints, subject };
}

describe('TelemetryHinter', () => {
  it('tells each partition once a second, however many commits, and of nothing when there was none', async () => {
    const { told, clock, subject } = hinter();
    for (let commit = 0; commit < 10; commit++) subject.changed(P0, [key(1), key(2)]);
    subject.changed(P1, [key(3)]);
    expect(told).toEqual([]);
    await clock.advance(1_000);
    expect(told).toEqual([
      [P0, [key(1), key(2)]],
      [P1, [key(3)]],
    ]);
    await clock.advance(5_000);
    expect(told).toHaveLength(2);
  });

  it('tells of the newest keys when there are too many', async () => {
    const { told, clock, subject } = hinter();
    for (let number = 0; number < 1_500; number++) subject.changed(P0, [key(number)]);
    await clock.advance(1_000);
    expect(told[0]?.[1]).toHaveLength(1_000);
    expect(told[0]?.[1][0]).toBe(key(500));
  });

  it('goes on after a message was lost', async () => {
    const { told, failures, clock, hints, subject } = hinter();
    hints.failing = true;
    subject.changed(P0, [key(1)]);
    await clock.advance(1_000);
    expect(failures).toHaveLength(1);
    hints.failing = false;
    subject.changed(P0, [key(2)]);
    await clock.advance(1_000);
    expect(told).toEqual([[P0, [key(2)]]]);
  });
});
