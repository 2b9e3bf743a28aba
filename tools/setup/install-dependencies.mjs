import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';

import { runProgram } from './run-step.mjs';
import { platformNodePath } from './verify-node.mjs';

const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];
const DEPENDENCY_FIELDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

/** Runs `npm ci` when node_modules is not what the lock file says. */
export function installDependencies(rootFolder) {
  const reason = reasonToInstall(rootFolder);
  if (reason === undefined) return { detail: 'match the lock file', changed: false };
  const options = { cwd: rootFolder, env: environmentOfHost(rootFolder) };
  // Development tools are part of the build, whatever NODE_ENV or the user's npm settings say. Of all install scripts
  // only that of `node` is needed, which fetches the program; older versions of npm do not know `allowScripts`.
  runProgram('npm', ['ci', '--include=dev', '--include=optional', '--ignore-scripts', ...QUIET], options);
  runProgram('npm', ['rebuild', 'node', '--ignore-scripts=false', ...QUIET], options);
  return { detail: `npm ci (${reason})`, changed: true };
}

/**
 * Compares what is installed (npm's hidden lock file) with what is locked, and what is locked with what the
 * package.json files ask for. No stamp of our own is needed, and an `npm ci` by hand counts.
 */
export function reasonToInstall(rootFolder) {
  const installedFile = join(rootFolder, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return 'first run';
  const locked = readJson(join(rootFolder, 'package-lock.json')).packages;
  const installed = readJson(installedFile).packages;
  for (const [path, entry] of Object.entries(locked)) {
    if (!path.includes('node_modules/')) {
      if (!asksForTheSame(entry, join(rootFolder, path, 'package.json'))) return `${path || 'package.json'} changed`;
      continue;
    }
    const present = installed[path];
    if (present === undefined) {
      if (entry.optional || entry.devOptional || entry.peer) continue;
      return `${nameOf(path)} is missing`;
    }
    if (present.version !== entry.version) return `${nameOf(path)} has another version`;
    if (!existsSync(join(rootFolder, path))) return `${nameOf(path)} is gone`;
  }
  if (!existsSync(platformNodePath(rootFolder))) return 'Node is missing';
  return undefined;
}

function nameOf(path) {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

function asksForTheSame(lockedEntry, packageFile) {
  const wanted = readJson(packageFile);
  return DEPENDENCY_FIELDS.every((field) => sameEntries(lockedEntry[field] ?? {}, wanted[field] ?? {}));
}

function sameEntries(left, right) {
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => left[name] === right[name]);
}

/** `npm ci` removes node_modules while it runs, so it must not run on the Node that lives in there. */
function environmentOfHost(rootFolder) {
  const own = join(rootFolder, 'node_modules') + sep;
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(own));
  const { NODE_ENV: _nodeEnvironment, ...rest } = process.env;
  return { ...rest, PATH: path.join(delimiter) };
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}
