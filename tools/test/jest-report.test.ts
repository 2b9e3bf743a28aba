import { describe, expect, it } from '@jest/globals';

import { readJestReport } from '../src/test-run/jest-report.ts';

const file = (name: string, message: string, statuses: readonly string[]): object => ({
  name,
  message,
  startTime: 1_000,
  endTime: 3_000,
  assertionResults: statuses.map((status, index) => ({ status, fullName: `${name} ${index}` })),
});

describe('the report of a jest run', () => {
  it('counts single tests', () => {
    const report = readJestReport({
      testResults: [file('a', '', ['passed', 'passed']), file('b', 'x', ['failed', 'passed'])],
    });
    expect(report).toMatchObject({ passed: 3, failed: 1, skipped: [], failures: ['b 0'] });
    expect(report.files).toEqual([
      { name: 'a', tookMs: 2_000 },
      { name: 'b', tookMs: 2_000 },
    ]);
  });

  it('names every test that did not run', () => {
    const report = readJestReport({ testResults: [file('a', '', ['pending', 'todo', 'passed'])] });
    expect(report).toMatchObject({ passed: 1, failed: 0, skipped: ['a 0', 'a 1'] });
  });

  it('counts a file that could not run as a failure, which jest does not', () => {
    const report = readJestReport({ testResults: [file('a', 'Cannot find module', [])] });
    expect(report).toMatchObject({ passed: 0, failed: 1, failures: ['a could not run'] });
  });
});
