import { existsSync, rmSync, writeFileSync } from 'node:fs';

import { findProgram } from './find-program.mjs';
import { runProgram } from './run-step.mjs';

/** Debian asks this program before it starts the service of a package that was just installed; 101 means no. */
const SERVICE_POLICY_FILE = '/usr/sbin/policy-rc.d';

export function canInstallWithApt() {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined;
}

/** Installs Debian packages for their programs only: none of their services is started, now or at the next boot. */
export function installWithApt(packages, services = []) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const ownPolicy = !existsSync(SERVICE_POLICY_FILE);
  if (ownPolicy) writeFileSync(SERVICE_POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    runProgram('apt-get', ['update', '-qq'], { env });
    runProgram('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env });
  } finally {
    if (ownPolicy) rmSync(SERVICE_POLICY_FILE, { force: true });
  }
  const systemctl = existsSync('/run/systemd/system') ? findProgram('systemctl') : undefined;
  const updateRc = findProgram('update-rc.d');
  for (const service of services) {
    if (systemctl !== undefined) runProgram(systemctl, ['disable', '--quiet', service], { env });
    else if (updateRc !== undefined) runProgram(updateRc, [service, 'disable'], { env });
  }
}
