import { describe, expect, it } from '@jest/globals';

import { RateSchedule } from './rate-schedule.ts';

describe('RateSchedule', () => {
  it('has an event due at once, and each next one after its share of the second', () => {
    const schedule = new RateSchedule(3);
    schedule.begin(100, 2, 1_000);
    expect(schedule.dueBy(999)).toBe(0);
    expect(schedule.dueBy(1_000)).toBe(1);
    expect(schedule.dueBy(1_009)).toBe(1);
    expect(schedule.dueBy(1_010)).toBe(2);
    expect(schedule.dueAtMs(199)).toBe(2_990);
    expect(schedule.dueBy(60_000)).toBe(200);
  });

  it('knows the due time of every event of every phase', () => {
    const schedule = new RateSchedule(3);
    schedule.begin(10, 1, 0);
    schedule.begin(1_000, 1, 5_000);
    expect(schedule.dueAtMs(9)).toBe(900);
    expect(schedule.dueAtMs(10)).toBe(5_000);
    expect(schedule.dueAtMs(11)).toBe(5_001);
    expect(schedule.phaseOf(9).eventsPerSecond).toBe(10);
    expect(schedule.phaseOf(10).eventsPerSecond).toBe(1_000);
    expect(schedule.end).toBe(1_010);
  });

  it.each([0, 1, 2, 3, 4, 7, 100])('deals %d events out to the devices in turn', (due) => {
    const schedule = new RateSchedule(3);
    schedule.begin(1_000, 1, 0);
    const own = [0, 1, 2].map((device) => schedule.eventsOf(device, due));
    expect(own.reduce((sum, count) => sum + count, 0)).toBe(due);
    const dealt = own.flatMap((count, device) =>
      Array.from({ length: count }, (_, number) => schedule.eventOf(device, number)),
    );
    expect(dealt.sort((left, right) => left - right)).toEqual(Array.from({ length: due }, (_, event) => event));
  });

  it('refuses an event that no phase has', () => {
    expect(() => new RateSchedule(1).dueAtMs(0)).toThrow('in no phase');
  });
});
