import { expect, it } from '@jest/globals';

import { ScaleRun, type ScaleStep } from '../src/simulation/scale/scale-run.ts';

const OPTIONS = { seed: 1, partitions: 128, workers: 8 };
const TEST_MS_MAX = 120_000;
/** Virtual, as the figures of a run are: no machine is too slow for them. */
const PLANNED_PAUSE_MS_MAX = 2_500;
const KILLED_PAUSE_MS_MAX = 10_000;

/** The short form of `npm run sim -- --scale`, which has 1,000 partitions and 64 workers. */
it(
  'keeps every promise while workers join, leave and die, with short pauses, fair shares and few calls',
  async () => {
    const { steps, rest, records, violations } = await new ScaleRun(OPTIONS).run();
    expect(violations).toEqual([]);
    expect(records).toBeGreaterThan(5_000);
    for (const step of steps) {
      expect({ name: step.name, imbalance: step.shareMost - step.shareLeast <= 1 }).toMatchObject({ imbalance: true });
      expect(longestOf(step)).toBeLessThanOrEqual(
        step.name.includes('killed') ? KILLED_PAUSE_MS_MAX : PLANNED_PAUSE_MS_MAX,
      );
    }
    // Leases cost calls by the number of workers, however many partitions each of them has.
    const callsOf = (method: string): number => rest.find(({ name }) => name === method)?.calls ?? 0;
    for (const method of ['leases.heartbeat', 'leases.acquire', 'log.logId']) {
      expect(callsOf(method)).toBeGreaterThan(0);
      expect(callsOf(method)).toBeLessThanOrEqual(2 * OPTIONS.workers);
    }
  },
  TEST_MS_MAX,
);

function longestOf({ pausesMs }: ScaleStep): number {
  return pausesMs.reduce((longest, pauseMs) => Math.max(longest, pauseMs), 0);
}
