// Obtains the program `temporal` for a machine that has none: by Homebrew, by the download of Temporal's own SDK, or by
// building it with Go.
import { copyFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram } from './find-program.mjs';
import { findTemporal, TEMPORAL_CLI_VERSION, temporalCacheFolder } from './find-temporal.mjs';
import { inCacheFolder, runToEnd } from './obtain-in-cache.mjs';
import { SetupRefused } from './run-step.mjs';

const GO_PACKAGE = 'github.com/temporalio/cli/cmd/temporal';
const GO_VERSION_VARIABLE = 'github.com/temporalio/cli/temporalcli.Version';
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;
const PROGRAM_TIMEOUT_MS = 45 * 60_000;

const WAYS_OUT = [
  'Ways out: install it (macOS: `brew install temporal`), name it with TEMPORAL_CLI_PATH, or install Go 1.25 or newer,',
  'with which it is built. Without it everything works but commands.',
].join('\n');

/** The ways, in the order in which they are tried. */
export const TEMPORAL_WAYS = [
  { name: 'Homebrew', obtain: byHomebrew },
  { name: 'download', obtain: bySdkDownload },
  { name: 'go install', obtain: byGo },
];

/**
 * Finds the program after one of the ways brought it. `onWay` hears which one is being tried.
 * @throws SetupRefused with what each way said
 */
export async function obtainTemporal(env, { onWay = () => undefined, ways = TEMPORAL_WAYS } = {}) {
  const cache = temporalCacheFolder(env);
  return inCacheFolder(cache, async (work) => findTemporal(env) ?? (await tryWays(ways, { env, cache, work, onWay })));
}

async function tryWays(ways, { env, cache, work, onWay }) {
  const problems = [];
  for (const way of ways) {
    try {
      onWay(way.name);
      const program = await way.obtain(env, work);
      // Whole or not at all: others look for it while it comes.
      if (program !== undefined) renameSync(program, join(cache, 'temporal'));
      const found = findTemporal(env);
      if (found !== undefined) return found;
      problems.push(`${way.name}: brought a program that is not Temporal, or too old`);
    } catch (error) {
      problems.push(`${way.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new SetupRefused(`Temporal could not be obtained.\n${problems.join('\n')}\n${WAYS_OUT}`);
}

/** Homebrew puts it where it is found. */
async function byHomebrew(env) {
  const brew = findProgram('brew', env);
  if (brew === undefined) throw new SetupRefused('not on this machine');
  await run(brew, ['install', '--quiet', 'temporal'], env);
  return undefined;
}

/** The SDK can only download and start at once: the server that it starts is stopped, and the program is kept. */
async function bySdkDownload(_env, work) {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const executable = {
    type: 'cached-download',
    downloadDir: work,
    version: `v${TEMPORAL_CLI_VERSION}`,
    ttl: DOWNLOAD_TIMEOUT_MS,
  };
  const started = TestWorkflowEnvironment.createLocal({ server: { executable } });
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new SetupRefused('took too long')), DOWNLOAD_TIMEOUT_MS);
  });
  try {
    const environment = await Promise.race([started, timeout]);
    await environment.teardown();
  } finally {
    clearTimeout(timer);
  }
  const [program] = readdirSync(work).filter((name) => name.startsWith('temporal-'));
  if (program === undefined) throw new SetupRefused('left no program behind');
  copyFileSync(join(work, program), join(work, 'temporal'));
  return join(work, 'temporal');
}

/** Minutes of work for all processors, so it stands back behind whatever else runs. */
async function byGo(env, work) {
  const go = findProgram('go', env);
  if (go === undefined) throw new SetupRefused('there is no Go on this machine');
  const flags = `-s -w -X ${GO_VERSION_VARIABLE}=${TEMPORAL_CLI_VERSION}`;
  const args = ['install', '-trimpath', '-ldflags', flags, `${GO_PACKAGE}@v${TEMPORAL_CLI_VERSION}`];
  const goEnv = { ...env, GOBIN: work, GOTMPDIR: work, CGO_ENABLED: '0', GOFLAGS: '', GOOS: '', GOARCH: '' };
  const nice = findProgram('nice', env);
  if (nice === undefined) await run(go, args, goEnv);
  else await run(nice, ['-n', '15', go, ...args], goEnv);
  return join(work, 'temporal');
}

function run(command, args, env) {
  return runToEnd(command, args, { env, timeoutMs: PROGRAM_TIMEOUT_MS });
}
