import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { runProgram } from './run-step.mjs';
import { platformNodePath } from './verify-node.mjs';

/** Files beside the sources that the running program reads; `tsc` leaves them behind. */
const ASSET = /\.(lua|sql|html|css|json|graphql)$/;

/** Builds every package with `tsc -b`, unless no source changed since the last good build. */
export function buildWorkspace(rootFolder, options = {}) {
  const packages = packagesOf(rootFolder);
  const stampFile = join(rootFolder, 'node_modules', '.breakwater', 'build-stamp');
  const stamp = stampOf(rootFolder, packages);
  const built = packages.every((folder) => existsSync(join(rootFolder, folder, 'dist', '.tsbuildinfo')));
  if (built && !options.force && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    return { detail: 'up to date' };
  }
  rmSync(stampFile, { force: true });
  for (const folder of packages) removeOrphans(join(rootFolder, folder));
  const compiler = join(rootFolder, 'node_modules', 'typescript', 'bin', 'tsc');
  const force = options.force === true && built ? ['--force'] : [];
  // In a container image the Node of the image does it.
  const node = existsSync(platformNodePath(rootFolder)) ? platformNodePath(rootFolder) : process.execPath;
  runProgram(node, [compiler, '-b', ...force], { cwd: rootFolder });
  for (const folder of packages) copyAssets(join(rootFolder, folder));
  bundleWorkflows(rootFolder, node);
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
  return { detail: `tsc -b, ${packages.length} packages` };
}

/** Temporal's worker would otherwise do it at each of its starts, for seconds and with much memory. */
function bundleWorkflows(rootFolder, node) {
  const bundler = join(rootFolder, 'temporal', 'worker', 'dist', 'bundle-workflows.js');
  if (existsSync(bundler)) runProgram(node, [bundler], { cwd: rootFolder });
}

function packagesOf(rootFolder) {
  const { references } = JSON.parse(readFileSync(join(rootFolder, 'tsconfig.json'), 'utf8'));
  return references.map((reference) => reference.path);
}

/** Names, sizes and times of all inputs: enough to notice every edit and every switch of branches, in a few ms. */
function stampOf(rootFolder, packages) {
  const hash = createHash('sha256');
  const add = (file) => {
    const { size, mtimeMs } = statSync(join(rootFolder, file));
    hash.update(`${file}\n${size}\n${mtimeMs}\n`);
  };
  for (const name of readdirSync(rootFolder)) if (name.startsWith('tsconfig')) add(name);
  add('package-lock.json');
  for (const folder of packages) {
    for (const name of ['package.json', 'tsconfig.json']) add(join(folder, name));
    for (const file of filesUnder(join(rootFolder, folder, 'src'))) add(join(folder, 'src', file));
  }
  return hash.digest('hex');
}

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort();
}

/** `tsc -b` never deletes: without this the output of a renamed file would live on, and could still be imported. */
function removeOrphans(folder) {
  const output = join(folder, 'dist');
  for (const file of filesUnder(output)) {
    const source = file.match(/^(.*)\.(?:js|d\.ts|js\.map|d\.ts\.map)$/);
    const exists = source === null || existsSync(join(folder, 'src', `${source[1]}.ts`));
    if (!exists) rmSync(join(output, file), { force: true });
  }
}

function copyAssets(folder) {
  for (const file of filesUnder(join(folder, 'src'))) {
    if (!ASSET.test(file)) continue;
    mkdirSync(dirname(join(folder, 'dist', file)), { recursive: true });
    copyFileSync(join(folder, 'src', file), join(folder, 'dist', file));
  }
}
