import { describe, expect, it } from '@jest/globals';

import { OVERLOAD_MEASURES, OverloadGuard } from './overload-guard.ts';

function guarded() {
  const queue = { load: 0, isPressed: false, isWithheld: false, shedsAll: false };
  const memory = { share: 0, sample: () => undefined };
  const pressure: boolean[] = [];
  const guard = new OverloadGuard({
    queue,
    memory,
    limits: { shedBytes: 100, refuseConnectsBytes: 200 },
    setPressure: (isHigh) => pressure.push(isHigh),
  });
  const taken = () => OVERLOAD_MEASURES.filter((measure) => guard.isTaken(measure));
  return { queue, memory, pressure, guard, taken };
}

describe('the measures against overload', () => {
  it('follow the queue in their order, and end with it', () => {
    const { queue, guard, taken, pressure } = guarded();
    guard.sweep();
    expect(taken()).toEqual([]);
    queue.isWithheld = true;
    expect(taken()).toEqual(['withhold']);
    queue.isPressed = true;
    guard.queueChanged();
    expect(taken()).toEqual(['withhold', 'stopReading']);
    queue.load = 101;
    expect(taken()).toEqual(['withhold', 'stopReading', 'shed']);
    expect(guard.refusal()).toBeNull();
    queue.load = 201;
    expect(taken()).toEqual([...OVERLOAD_MEASURES]);
    expect(guard.refusal()).toContain('event log');
    Object.assign(queue, { load: 0, isPressed: false, isWithheld: false });
    guard.sweep();
    expect(taken()).toEqual([]);
    expect(pressure).toEqual([false, true, false]);
  });

  it('follow the memory of the process in the same order', () => {
    const { queue, memory, guard, taken, pressure } = guarded();
    for (const [share, measures] of [
      [0.79, []],
      [0.8, ['stopReading']],
      [0.88, ['stopReading', 'shed']],
      [0.94, ['stopReading', 'shed', 'refuseConnects']],
      [0.5, []],
    ] as const) {
      memory.share = share;
      guard.sweep();
      expect([share, taken()]).toEqual([share, measures]);
      expect(queue.shedsAll).toBe(share >= 0.88);
    }
    expect(pressure).toEqual([false, true, true, true, false]);
  });
});
