// The build alone, for places where everything else is there already, such as a container image.
import { fileURLToPath } from 'node:url';

import { buildWorkspace } from './setup/build-workspace.mjs';
import { runStep, SetupRefused } from './setup/run-step.mjs';

try {
  runStep('build', () => buildWorkspace(fileURLToPath(new URL('..', import.meta.url))));
} catch (error) {
  if (!(error instanceof SetupRefused)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  process.exitCode = 1;
}
