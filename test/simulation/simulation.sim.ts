import { describe, expect, it } from '@jest/globals';

import { PLANTED_BUGS } from '../src/simulation/planted-bugs.ts';
import { simulate, type SimulationOptions } from '../src/simulation/simulator.ts';

/** `npm run check` takes fewer. */
const SEEDS = Number(process.env['SIM_SEEDS'] ?? 200);
/** Of so many seeds one runs twice: a run that does not repeat itself cannot be debugged. */
const REPEATED_EVERY = 20;
const SEEDS_PER_TEST = 25;
const SEEDS_OF_COMMANDS = Math.ceil(SEEDS / 8);
/** A planted bug must show within so many seeds. */
const SEEDS_PER_BUG_MAX = 40;
const TEST_MS_MAX = 300_000;

describe('simulation', () => {
  for (let first = 1; first <= SEEDS; first += SEEDS_PER_TEST) {
    const last = first + SEEDS_PER_TEST - 1;
    it(
      `keeps every promise through the storms of seeds ${first} to ${last}`,
      async () => {
        for (let seed = first; seed <= last; seed++) await expectKept({ seed });
      },
      TEST_MS_MAX,
    );
  }

  it(
    'keeps every promise about commands',
    async () => {
      for (let seed = 1; seed <= SEEDS_OF_COMMANDS; seed++) await expectKept({ seed, commands: true });
    },
    TEST_MS_MAX,
  );

  it(
    'has the same history whenever a seed is run',
    async () => {
      for (let seed = REPEATED_EVERY; seed <= SEEDS; seed += REPEATED_EVERY) {
        const [one, two] = [await simulate({ seed }), await simulate({ seed })];
        expect({ seed, hash: two.traceHash, events: two.traceEvents }).toEqual({
          seed,
          hash: one.traceHash,
          events: one.traceEvents,
        });
      }
    },
    TEST_MS_MAX,
  );

  it('has another history for another seed', async () => {
    expect((await simulate({ seed: 1 })).traceHash).not.toBe((await simulate({ seed: 2 })).traceHash);
  });
});

describe('the checkers find', () => {
  for (const [name, { bugs, breaks, faults = {} }] of Object.entries(PLANTED_BUGS)) {
    it(
      name,
      async () => {
        let found: string | undefined;
        for (let seed = 1; seed <= SEEDS_PER_BUG_MAX && found === undefined; seed++) {
          found = (await simulate({ seed, bugs, faults })).violations.find((violation) => breaks.test(violation));
        }
        expect(found).toMatch(breaks);
      },
      TEST_MS_MAX,
    );
  }
});

async function expectKept(options: SimulationOptions): Promise<void> {
  const { commands = false } = options;
  const { seed, violations, acknowledged } = await simulate(options);
  // The message is what a developer sees: how to see it again comes first.
  if (violations.length > 0)
    throw new Error(`npm run sim -- --seed ${seed}${commands ? ' --commands' : ''}\n  ${violations.join('\n  ')}`);
  expect(acknowledged).toBeGreaterThan(0);
}
