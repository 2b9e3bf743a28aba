import { describe, expect, it } from '@jest/globals';

import { SeededRandom } from './seeded-random.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('VirtualClock', () => {
  it('wakes sleepers in the order of their times, then of their calls', async () => {
    const clock = new VirtualClock(100);
    const woken: string[] = [];
    const sleep = async (name: string, durationMs: number): Promise<void> => {
      await clock.sleep(durationMs);
      woken.push(`${name}@${clock.nowMs()}`);
    };
    void sleep('late', 30);
    void sleep('first', 10);
    void sleep('second', 10);
    await clock.advance(20);
    expect(woken).toEqual(['first@110', 'second@110']);
    expect(clock.nowMs()).toBe(120);
    await clock.advance(20);
    expect(woken).toEqual(['first@110', 'second@110', 'late@130']);
  });

  it('runs what follows from one wake-up before the next', async () => {
    const clock = new VirtualClock();
    const steps: string[] = [];
    const work = async (name: string): Promise<void> => {
      await clock.sleep(5);
      steps.push(`${name} wakes`);
      await Promise.resolve();
      steps.push(`${name} is done`);
    };
    void work('a');
    void work('b');
    await clock.advance(5);
    expect(steps).toEqual(['a wakes', 'a is done', 'b wakes', 'b is done']);
  });

  it('resolves a sleep early when its signal is aborted', async () => {
    const clock = new VirtualClock();
    const wake = new AbortController();
    const slept = clock.sleep(1_000, wake.signal);
    wake.abort();
    await slept;
    expect(clock.nowMs()).toBe(0);
    await clock.sleep(1_000, wake.signal);
  });
});

describe('SeededRandom', () => {
  it('repeats itself from a seed', () => {
    const draws = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 5 }, () => random.below(1_000));
    };
    expect(draws(7)).toEqual(draws(7));
    expect(draws(7)).not.toEqual(draws(8));
  });
});
