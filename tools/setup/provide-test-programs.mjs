import { canInstallWithApt, installWithApt } from './apt-packages.mjs';
import { findProgram } from './find-program.mjs';

/** Programs that some tests use and the platform does not. Without them those tests are skipped by name. */
const TEST_PROGRAMS = [
  { program: 'mosquitto_pub', aptPackage: 'mosquitto-clients', services: [] },
  { program: 'mosquitto', aptPackage: 'mosquitto', services: ['mosquitto'] },
];

/** Only with CI=true: there a skipped test is a failure, so what the tests want is installed. */
export function provideTestPrograms() {
  const missing = TEST_PROGRAMS.filter(({ program }) => findProgram(program) === undefined);
  if (missing.length === 0) return { detail: 'all present' };
  const names = missing.map(({ program }) => program).join(', ');
  if (!canInstallWithApt()) return { detail: `missing: ${names}` };
  installWithApt(
    missing.map(({ aptPackage }) => aptPackage),
    missing.flatMap(({ services }) => services),
  );
  return { detail: `${names} (by apt)` };
}
