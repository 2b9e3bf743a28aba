import { parseArgs } from 'node:util';

import { runEngineFuzz } from './engine-fuzz.ts';
import { runGatewayFuzz } from './gateway-fuzz.ts';
import { runMochiVectors } from './mochi-vectors.ts';
import { runMosquittoDifferential } from './mosquitto-differential.ts';
import { runMosquittoScripts } from './mosquitto-scripts.ts';
import { NotPrepared } from './outside-programs.ts';
import { runPahoGo } from './paho-go.ts';
import { runPahoPython } from './paho-python.ts';
import type { SuiteOutcome } from './suite-programs.ts';

/**
 * `npm run test:mqtt`: the suites of other people against the engine. Each is fetched from its registry when it is
 * wanted; a suite that cannot be prepared here is skipped with its reason, which is a failure where CI=true. Words
 * after the command choose the suites whose names hold them; `-- --seed N` plays one session of the comparison with
 * mosquitto again, and nothing else.
 */
const { values, positionals: wanted } = parseArgs({
  options: { seed: { type: 'string' } },
  allowPositionals: true,
});
const { seed } = values;
const SUITES: Readonly<Record<string, () => Promise<SuiteOutcome>>> = {
  'mochi vectors': runMochiVectors,
  'beside mosquitto': () => runMosquittoDifferential(seed === undefined ? null : Number(seed)),
  'mosquitto scripts': runMosquittoScripts,
  'paho Go': runPahoGo,
  'paho Python': runPahoPython,
  'engine fuzz': runEngineFuzz,
  'gateway fuzz': runGatewayFuzz,
};

const inCi = process.env['CI'] === 'true' || process.env['CI'] === '1';
const totals = { passed: 0, failed: 0 };
for (const [name, run] of Object.entries(SUITES)) {
  if (seed !== undefined && name !== 'beside mosquitto') continue;
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
  const startedAt = performance.now();
  const { passed, failed, skipped, notes = [] } = await outcomeOf(run);
  const note = skipped === null ? `${passed} passed, ${failed.length} failed` : 'skipped';
  process.stdout.write(
    `${name.padEnd(20)}${note.padEnd(26)}${((performance.now() - startedAt) / 1000).toFixed(0)} s\n`,
  );
  for (const line of notes) process.stdout.write(`  ${line}\n`);
  for (const failure of failed) process.stdout.write(`  failed: ${failure}\n`);
  if (skipped !== null) process.stdout.write(`  skipped${inCi ? ' (a failure with CI=true)' : ''}: ${skipped}\n`);
  totals.passed += passed;
  totals.failed += failed.length + (skipped !== null && inCi ? 1 : 0);
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed\n`);
process.exit(totals.failed === 0 ? 0 : 1);

/** `skipped` says why the suite could not be prepared; any other error is a failure of the suite. */
async function outcomeOf(run: () => Promise<SuiteOutcome>): Promise<SuiteOutcome & { skipped: string | null }> {
  try {
    return { ...(await run()), skipped: null };
  } catch (error) {
    if (error instanceof NotPrepared) return { passed: 0, failed: [], skipped: error.message };
    return {
      passed: 0,
      failed: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
      skipped: null,
    };
  }
}
