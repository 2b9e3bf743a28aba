import { parseArgs } from 'node:util';

import { runMochiVectors } from './mochi-vectors.ts';
import { runMosquittoDifferential } from './mosquitto-differential.ts';
import { runMosquittoScripts } from './mosquitto-scripts.ts';
import { runPahoGo } from './paho-go.ts';
import { runPahoPython } from './paho-python.ts';
import type { SuiteOutcome } from './suite-programs.ts';

/**
 * `npm run test:mqtt`: the suites of other people against the engine. Each is fetched from its registry when it is
 * wanted; a suite whose programs are not here is skipped by name, which is a failure where CI=true. `-- --seed N` plays
 * one session of the comparison with mosquitto again, and nothing else.
 */
const { values } = parseArgs({ options: { seed: { type: 'string' } } });
const { seed } = values;
const SUITES: Readonly<Record<string, () => Promise<SuiteOutcome>>> = {
  'mochi vectors': runMochiVectors,
  'beside mosquitto': () => runMosquittoDifferential(seed === undefined ? null : Number(seed)),
  'mosquitto scripts': runMosquittoScripts,
  'paho Go': runPahoGo,
  'paho Python': runPahoPython,
};

const inCi = process.env['CI'] === 'true' || process.env['CI'] === '1';
const totals = { passed: 0, failed: 0 };
for (const [name, run] of Object.entries(SUITES)) {
  if (seed !== undefined && name !== 'beside mosquitto') continue;
  const { passed, failed, missing } = await run();
  const skipped = missing.length > 0;
  const note = skipped ? `skipped, missing: ${missing.join(', ')}` : `${passed} passed, ${failed.length} failed`;
  process.stdout.write(`${name.padEnd(20)}${note}\n`);
  for (const failure of failed) process.stdout.write(`  failed: ${failure}\n`);
  totals.passed += passed;
  totals.failed += failed.length + (skipped && inCi ? 1 : 0);
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed\n`);
process.exit(totals.failed === 0 ? 0 : 1);
