import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

import { readJestReport, type JestReport } from './jest-report.ts';
import type { RunMark } from './marked-processes.ts';

/** Suites whose files may run side by side; the others start servers and measure, and run one file at a time. */
const PARALLEL_SUITES = new Set(['unit', 'contract']);

/** Jest writes its report when all tests have run; something left behind can keep it from ending for ever. */
const END_MS_MAX = 60_000;
const REPORT_POLL_MS = 1_000;

export interface SuiteResult extends JestReport {
  readonly name: string;
  readonly tookMs: number;
  readonly timedOut: boolean;
}

/** Runs one jest project and reads its counts from its report file, which unlike its output is exact. */
export async function runJestSuite(options: {
  readonly name: string;
  readonly rootFolder: string;
  readonly mark: RunMark;
  readonly timeoutMs: number;
  readonly filters?: readonly string[];
}): Promise<SuiteResult> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'breakwater-tests-'));
  const reportFile = join(folder, 'report.json');
  try {
    const { exitCode, timedOut, hung } = await runJest(options, reportFile);
    const report = readReport(reportFile, options);
    // jest can fail without a failed test, for example when a file leaves it with an open error.
    const unexplained = hung || (exitCode !== 0 && report.failed === 0);
    const end = hung ? 'had run all tests and did not end' : `ended with ${exitCode ?? 'a signal'}`;
    return {
      ...report,
      name: options.name,
      failed: report.failed + (unexplained || timedOut ? 1 : 0),
      failures: unexplained ? [...report.failures, `${options.name}: jest ${end}`] : report.failures,
      tookMs: performance.now() - startedAt,
      timedOut,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runJest(
  options: { name: string; rootFolder: string; mark: RunMark; timeoutMs: number; filters?: readonly string[] },
  reportFile: string,
): Promise<{ exitCode: number | null; timedOut: boolean; hung: boolean }> {
  const jest = join(options.rootFolder, 'node_modules', 'jest', 'bin', 'jest.js');
  const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest];
  args.push('--selectProjects', options.name, '--passWithNoTests', '--json', '--outputFile', reportFile);
  if (!PARALLEL_SUITES.has(options.name)) args.push('--runInBand');
  if (options.filters !== undefined) args.push(...options.filters);
  const child = spawn(process.execPath, args, {
    cwd: options.rootFolder,
    // jest prints its report on stdout too; people read what it prints on stderr.
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, [options.mark.name]: options.mark.value },
    detached: true,
  });
  return new Promise((resolve, reject) => {
    let timedOut = false;
    let hung = false;
    let reportedAtMs: number | null = null;
    const watch = setInterval(() => {
      if (existsSync(reportFile)) reportedAtMs ??= performance.now();
      if (hung || reportedAtMs === null || performance.now() - reportedAtMs < END_MS_MAX) return;
      hung = true;
      endGroup(child.pid);
    }, REPORT_POLL_MS);
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child.pid);
    }, options.timeoutMs);
    const stop = (): void => {
      endGroup(child.pid);
      process.exit(130);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    child.on('error', reject);
    child.on('exit', (exitCode) => {
      clearTimeout(timer);
      clearInterval(watch);
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve({ exitCode, timedOut, hung });
    });
  });
}

function readReport(reportFile: string, options: { name: string; rootFolder: string }): JestReport {
  if (!existsSync(reportFile)) return { passed: 0, failed: 0, skipped: [], failures: [], files: [] };
  const report = readJestReport(JSON.parse(readFileSync(reportFile, 'utf8')));
  return { ...report, files: report.files.map((file) => ({ ...file, name: relative(options.rootFolder, file.name) })) };
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}
