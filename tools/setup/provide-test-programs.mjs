import { spawnSync } from 'node:child_process';

import { canInstallWithApt, installWithApt } from './apt-packages.mjs';
import { findProgram } from './find-program.mjs';

/**
 * What some tests use and the platform does not. Without it those tests are skipped by name. Go is not among it: the
 * tests that want it take the one that is here, or else the one that Python's packages carry.
 */
const TEST_PROGRAMS = [
  { name: 'mosquitto_pub', aptPackage: 'mosquitto-clients', isHere: () => isOnPath('mosquitto_pub') },
  { name: 'mosquitto', aptPackage: 'mosquitto', services: ['mosquitto'], isHere: () => isOnPath('mosquitto') },
  { name: 'haproxy', aptPackage: 'haproxy', services: ['haproxy'], isHere: () => isOnPath('haproxy') },
  { name: 'prometheus', aptPackage: 'prometheus', services: ['prometheus'], isHere: () => isOnPath('promtool') },
  { name: 'python3', aptPackage: 'python3', isHere: () => isOnPath('python3') },
  { name: 'venv of python3', aptPackage: 'python3-venv', isHere: () => pythonHas('ensurepip') },
];

/** Only with CI=true: there a skipped test is a failure, so what the tests want is installed. */
export function provideTestPrograms() {
  const missing = TEST_PROGRAMS.filter(({ isHere }) => !isHere());
  if (missing.length === 0) return { detail: 'all present' };
  const names = missing.map(({ name }) => name).join(', ');
  if (!canInstallWithApt()) return { detail: `missing: ${names}` };
  installWithApt(
    missing.map(({ aptPackage }) => aptPackage),
    missing.flatMap(({ services = [] }) => services),
  );
  return { detail: `${names} (by apt)` };
}

function isOnPath(name) {
  return findProgram(name) !== undefined;
}

function pythonHas(module) {
  return spawnSync('python3', ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
}
