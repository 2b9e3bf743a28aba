import { spawnSync } from 'node:child_process';

import { canInstallWithApt, installWithApt } from './apt-packages.mjs';
import { findProgram, isProgram } from './find-program.mjs';
import { runProgram, SetupRefused } from './run-step.mjs';

/** Functions and the `allow-oom` script flag, on which the twin store rests, came with Redis 7. */
export const REDIS_MAJOR_MIN = 7;

const WAYS_OUT = [
  `redis-server ${REDIS_MAJOR_MIN} or newer is needed. Two ways out:`,
  '  1. install it (Debian/Ubuntu: `sudo apt-get install redis-server`, macOS: `brew install redis`, or any build of it',
  '     named by REDIS_SERVER_PATH) and start again;',
  '  2. run everything in containers instead: `docker compose up` uses docker-compose.yml.',
].join('\n');

/** Finds redis-server ≥ 7: REDIS_SERVER_PATH, then PATH, then apt (as root), then Homebrew. */
export function provideRedisServer(env) {
  if (env.REDIS_SERVER_PATH) return fromSetting(env.REDIS_SERVER_PATH);
  const found = findProgram('redis-server', env);
  const refused = [];
  if (found !== undefined) {
    const version = redisVersion(found);
    if (isNewEnough(version)) return { detail: `${version}, ${found}` };
    refused.push(`${found} is ${version ?? 'of an unknown version'}`);
  }
  const installer = found === undefined ? installerOfThisMachine() : undefined;
  if (installer === undefined) throw new SetupRefused([...refused, WAYS_OUT].join('\n'));
  installer.install();
  const installed = findProgram('redis-server', env);
  const version = installed === undefined ? undefined : redisVersion(installed);
  if (!isNewEnough(version)) {
    throw new SetupRefused(
      `${installer.name} installed redis-server ${version ?? 'of an unknown version'}.\n${WAYS_OUT}`,
    );
  }
  return { detail: `${version}, ${installed} (by ${installer.name})` };
}

/** "7.0.15" for `Redis server v=7.0.15 sha=…`; Valkey answers in the same form. */
function redisVersion(path) {
  const result = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return /\bv=(\d+\.\d+\.\d+)/.exec(result.stdout ?? '')?.[1];
}

function fromSetting(path) {
  if (!isProgram(path)) throw new SetupRefused(`REDIS_SERVER_PATH: there is no program ${path}\n${WAYS_OUT}`);
  const version = redisVersion(path);
  if (!isNewEnough(version))
    throw new SetupRefused(`REDIS_SERVER_PATH: ${path} is ${version ?? 'no redis-server'}\n${WAYS_OUT}`);
  return { detail: `${version}, ${path} (setting)` };
}

function isNewEnough(version) {
  return version !== undefined && Number(version.split('.')[0]) >= REDIS_MAJOR_MIN;
}

function installerOfThisMachine() {
  if (canInstallWithApt()) return { name: 'apt', install: () => installWithApt(['redis-server'], ['redis-server']) };
  const brew = findProgram('brew');
  if (brew === undefined) return undefined;
  return { name: 'Homebrew', install: () => runProgram(brew, ['install', '--quiet', 'redis']) };
}
