import { spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

import { HOMEBREW_FOLDERS, isProgram } from './find-program.mjs';
import { SetupRefused } from './run-step.mjs';

/** The newest that `go install` takes: later ones carry a replace directive, which it refuses. */
export const TEMPORAL_CLI_VERSION = '1.5.1';

/** The oldest server that our tests ran with. */
const SERVER_MIN = [1, 29];
const VERSION_TIMEOUT_MS = 20_000;

/** Outside of the clone and of the data, because it takes minutes to make and is the same for all of them. */
export function temporalCacheFolder(env) {
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return join(cache, 'breakwater', `temporal-${TEMPORAL_CLI_VERSION}`);
}

/**
 * Finds the program `temporal`: TEMPORAL_CLI_PATH, then PATH, then what an earlier start obtained, then Homebrew. One
 * that is too old is passed over, unless the setting names it.
 */
export function findTemporal(env, homebrewFolders = HOMEBREW_FOLDERS) {
  if (env.TEMPORAL_CLI_PATH) return fromSetting(env.TEMPORAL_CLI_PATH);
  const folders = [...(env.PATH ?? '').split(delimiter), temporalCacheFolder(env), ...homebrewFolders];
  for (const folder of folders) {
    const path = join(folder, 'temporal');
    if (folder === '' || !isProgram(path)) continue;
    const server = serverVersion(path);
    if (isNewEnough(server)) return { path, server };
  }
  return undefined;
}

/** "1.29.1" for `temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)`. */
function serverVersion(path) {
  const result = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: VERSION_TIMEOUT_MS });
  return /\(Server (\d+\.\d+\.\d+)/.exec(result.stdout ?? '')?.[1];
}

function fromSetting(path) {
  if (!isProgram(path)) throw new SetupRefused(`TEMPORAL_CLI_PATH: there is no program ${path}`);
  const server = serverVersion(path);
  if (!isNewEnough(server)) {
    const what = server === undefined ? 'not the Temporal CLI' : `Temporal with server ${server}`;
    throw new SetupRefused(`TEMPORAL_CLI_PATH: ${path} is ${what}, ${SERVER_MIN.join('.')} or newer is needed`);
  }
  return { path, server };
}

function isNewEnough(version) {
  if (version === undefined) return false;
  const [major, minor] = version.split('.').map(Number);
  return major > SERVER_MIN[0] || (major === SERVER_MIN[0] && minor >= SERVER_MIN[1]);
}
