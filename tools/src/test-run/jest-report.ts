/** What we count of one jest run. */
export interface JestReport {
  readonly passed: number;
  readonly failed: number;
  /** Full names of tests that did not run. */
  readonly skipped: readonly string[];
  /** Full names of tests that failed, and files that could not run at all. */
  readonly failures: readonly string[];
  readonly files: readonly { readonly name: string; readonly tookMs: number }[];
}

interface RawReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/**
 * Reads the report of `jest --json`. A file that fails outside of its tests (it does not load, or a hook fails) counts
 * as one failed test: jest itself counts it as none.
 */
export function readJestReport(raw: unknown): JestReport {
  const { testResults } = raw as RawReport;
  const tests = testResults.flatMap((file) => file.assertionResults);
  const broken = testResults.filter(
    (file) => file.message !== '' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  const failedTests = tests.filter((test) => test.status === 'failed');
  return {
    passed: tests.filter((test) => test.status === 'passed').length,
    failed: failedTests.length + broken.length,
    skipped: tests.filter((test) => !['passed', 'failed'].includes(test.status)).map((test) => test.fullName),
    failures: [...failedTests.map((test) => test.fullName), ...broken.map((file) => `${file.name} could not run`)],
    files: testResults.map((file) => ({ name: file.name, tookMs: file.endTime - file.startTime })),
  };
}
