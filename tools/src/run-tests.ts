import { fileURLToPath } from 'node:url';

import { endMarkedProcesses, newRunMark } from './test-run/marked-processes.ts';
import { runJestSuite, type SuiteResult } from './test-run/run-jest-suite.ts';

/**
 * `npm test`: every suite, one after the other, each in a process of its own. It ends with a line `N passed, N failed`
 * that counts single tests over all suites, and its exit code says the same.
 */
const SUITES = ['unit', 'contract', 'simulation', 'integration', 'faults', 'e2e'] as const;
/** Where what it needs was built already, which takes a quarter of an hour: by `npm run test:k8s`, or with FULL=1. */
const KUBERNETES = 'kubernetes';
const FIND_KUBERNETES: string = '../setup/find-kubernetes.mjs';
const TOTAL_MS_MAX = 80 * 60_000;
const SLOWEST_FILES_SHOWN = 5;

const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
const inCi = process.env['CI'] === 'true' || process.env['CI'] === '1';
const wanted = process.argv.slice(2);
const suites: readonly string[] = [...SUITES, KUBERNETES];
const unknown = wanted.filter((name) => !suites.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no such suite: ${unknown.join(', ')}; there are ${suites.join(', ')}\n`);
  process.exit(1);
}

const mark = newRunMark();
const deadline = performance.now() + TOTAL_MS_MAX;
const results: SuiteResult[] = [];
for (const name of suites) {
  if (wanted.length > 0 ? !wanted.includes(name) : name === KUBERNETES && !(await hasControlPlane())) continue;
  process.stdout.write(`\n── ${name} ──\n`);
  const result = await runJestSuite({ name, rootFolder, mark, timeoutMs: deadline - performance.now() });
  results.push(result);
  const leftovers = await endMarkedProcesses(mark);
  for (const command of leftovers) process.stdout.write(`left behind by ${name} and ended: ${command}\n`);
  if (result.timedOut) {
    process.stdout.write(`${name} was stopped: all tests together may take ${TOTAL_MS_MAX / 60_000} minutes\n`);
    break;
  }
}

const passed = sum((result) => result.passed);
const skipped = results.flatMap((result) => result.skipped);
// A suite without tests is a suite that was not found.
const empty = results.filter((result) => result.passed + result.failed + result.skipped.length === 0);
const failed = sum((result) => result.failed) + (inCi ? skipped.length + empty.length : 0);
printSummary();
process.exit(failed === 0 ? 0 : 1);

function printSummary(): void {
  process.stdout.write('\nsuite            passed   failed  skipped  seconds\n');
  for (const { name, ...result } of results) {
    const counts = [result.passed, result.failed, result.skipped.length, Math.round(result.tookMs / 1000)];
    process.stdout.write(`${name.padEnd(14)}${counts.map((count) => String(count).padStart(9)).join('')}\n`);
  }
  const slowest = results.flatMap((result) => result.files).sort((left, right) => right.tookMs - left.tookMs);
  process.stdout.write('\nslowest files\n');
  for (const file of slowest.slice(0, SLOWEST_FILES_SHOWN)) {
    process.stdout.write(`${(file.tookMs / 1000).toFixed(1).padStart(9)} s  ${file.name}\n`);
  }
  if (skipped.length > 0) process.stdout.write(`\nskipped${inCi ? ' (a failure with CI=true)' : ''}\n`);
  for (const name of skipped) process.stdout.write(`  ${name}\n`);
  for (const { name } of empty)
    process.stdout.write(`\n${name} has no tests${inCi ? ' (a failure with CI=true)' : ''}\n`);
  for (const name of results.flatMap((result) => result.failures)) process.stdout.write(`failed: ${name}\n`);
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
}

async function hasControlPlane(): Promise<boolean> {
  const { findClusterTools } = (await import(FIND_KUBERNETES)) as {
    findClusterTools(env: NodeJS.ProcessEnv): object | undefined;
  };
  return findClusterTools(process.env) !== undefined;
}

function sum(count: (result: SuiteResult) => number): number {
  return results.reduce((total, result) => total + count(result), 0);
}
