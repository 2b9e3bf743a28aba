import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { FaultResult } from './fault-case.ts';
import { withoutFigures } from './fault-table.ts';

/** Faults with a judge of their own: what must hold of a command is no matter of rows. */
export const SUITE_NAMES: readonly string[] = ['commands', 'temporal-away'];
/** About how long one takes. */
export const SUITE_SECONDS = 240;

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const JEST = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');

interface JestAnswer {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Runs one of the suites in `test/faults` whole, as one row of the table. */
export async function runSuite(name: string): Promise<FaultResult> {
  const startedAtMs = Date.now();
  const folder = await mkdtemp(join(tmpdir(), 'breakwater-suite-'));
  const report = join(folder, 'report.json');
  const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', JEST, '--runInBand'];
  args.push('--selectProjects', 'faults', '--testPathPatterns', `${name}\\.fault`, '--json', '--outputFile', report);
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, FAULTS: 'whole' },
  });
  try {
    await once(child, 'exit');
    const answer = JSON.parse(await readFile(report, 'utf8')) as JestAnswer;
    const seconds = Math.round((Date.now() - startedAtMs) / 1000);
    return { ...resultOf(name, answer), seconds };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function resultOf(name: string, answer: JestAnswer): FaultResult {
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: pending } = answer;
  const tests = answer.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failures = tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
  if (passed + failed === 0) return withoutFigures(name, 'not run', `${pending} tests need what is not there`);
  const verdict = failed === 0 ? 'passed' : 'failed';
  const notes = [`${passed} cases`, ...(pending > 0 ? [`${pending} not run`] : [])];
  return { ...withoutFigures(name, verdict), notes, problems: failures };
}
