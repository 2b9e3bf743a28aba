import { afterAll, describe, expect, it } from '@jest/globals';

import { FAULT_CATALOGUE } from '../src/faults/catalogue/index.ts';
import { isForOtherLogs } from '../src/faults/fault-log.ts';
import { FaultRunner } from '../src/faults/run-faults.ts';
import { TEST_TIMEOUT_MS } from '../src/platform-steps.ts';

const SHORT_FORM = FAULT_CATALOGUE.filter((fault) => fault.short === true && isForOtherLogs(fault) === null);
/** Fewer than `npm run test:faults` sends: whoever runs `npm test` may do something else meanwhile. */
const EVENTS_PER_SECOND = 2_000;

/** The short form of `npm run test:faults`, which runs all of them. Times are for a quiet machine, and not judged. */
describe('under load', () => {
  const runner = new FaultRunner({ judgesTimes: false, eventsPerSecond: EVENTS_PER_SECOND });

  afterAll(() => runner.stop(), TEST_TIMEOUT_MS);

  for (const fault of SHORT_FORM) {
    const test = (fault.lacks?.() ?? null) === null ? it : it.skip;
    test(
      `nothing is lost, twice or wrong: ${fault.title}`,
      async () => {
        const { problems, verdict } = await runner.run(fault);
        expect({ verdict, problems }).toEqual({ verdict: 'passed', problems: [] });
      },
      TEST_TIMEOUT_MS,
    );
  }
});
