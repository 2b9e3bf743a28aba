import { spawnSync } from 'node:child_process';

import { describe, expect, it } from '@jest/globals';

import { runDifferential } from '../src/mqtt-harness/differential/differential-run.ts';
import { playsExpiry } from '../src/mqtt-harness/differential/session-script.ts';
import { withoutKnownDifferences } from '../src/mqtt-harness/differential/known-differences.ts';
import { PLANTED_BUGS } from '../src/mqtt-harness/differential/planted-bugs.ts';

/** The short form of what `npm run test:mqtt` does with 10,000 sessions. */
const SESSIONS = 500;
const SESSIONS_TO_FIND_A_BUG = 60;
const TIMEOUT_MS = 600_000;

const isInstalled = spawnSync('mosquitto', ['-h']).error === undefined;
if (!isInstalled && process.env['CI'] === 'true') throw new Error('mosquitto must be installed where CI=true');

const seedsUpTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

(isInstalled ? describe : describe.skip)('the engine beside mosquitto (needs mosquitto)', () => {
  it(
    `says the same in ${SESSIONS} sessions`,
    async () => {
      const seeds = seedsUpTo(SESSIONS);
      expect(seeds.filter(playsExpiry).length).toBe(10);
      const { sessions, failures } = await runDifferential({ seeds, shrinks: true });
      expect(failures.join('\n')).toBe('');
      expect(sessions).toBe(SESSIONS);
    },
    TIMEOUT_MS,
  );

  it.each(Object.entries(PLANTED_BUGS))(
    'notices: %s',
    async (_name, plant) => {
      const seeds = seedsUpTo(SESSIONS_TO_FIND_A_BUG).filter((seed) => !playsExpiry(seed));
      const { failures } = await runDifferential({ seeds, shrinks: false, plant });
      expect(failures).not.toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('what is known to differ', () => {
  const step = (device: readonly string[], peer: readonly string[] = []) => ({ step: 'one', device, peer });

  it('is taken out, and nothing beside it', () => {
    const left = withoutKnownDifferences({
      engine: [step(['pubcomp 1 0x92', 'disconnect 0x82', 'closed'], ['publish up/x up0 qos2 id1', 'pubrel 1'])],
      mosquitto: [step(['pubcomp 1', 'closed'])],
    });
    expect(left.engine).toEqual(left.mosquitto);
  });

  it.each([
    ['a message that went on twice', step([], ['publish up/x up0 qos2', 'publish up/x up0 qos2']), step([])],
    ['a message that never went on', step([]), step([], ['publish up/x up0 qos2'])],
    ['a will without a takeover', step(['closed'], ['publish up/will w qos0']), step(['closed'])],
    ['another reason code', step(['puback 1 0x92']), step(['puback 1'])],
  ])('is not %s', (_name, engine, mosquitto) => {
    const left = withoutKnownDifferences({ engine: [engine], mosquitto: [mosquitto] });
    expect(left.engine).not.toEqual(left.mosquitto);
  });
});
