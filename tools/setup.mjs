// Prepares what `npm start` and `npm test` need. It runs before node_modules exists and on the host's own Node, so it
// is plain JavaScript for Node 20 without dependencies. It asks nothing, repeats nothing that is already done, and
// prints one line per step.
import { fileURLToPath } from 'node:url';

import { buildWorkspace } from './setup/build-workspace.mjs';
import { installDependencies } from './setup/install-dependencies.mjs';
import { provideKafka } from './setup/provide-kafka.mjs';
import { provideKubernetes } from './setup/provide-kubernetes.mjs';
import { provideRedisServer } from './setup/provide-redis-server.mjs';
import { provideTemporal } from './setup/provide-temporal.mjs';
import { provideTestPrograms } from './setup/provide-test-programs.mjs';
import { checkHostNode, verifyPlatformNode } from './setup/verify-node.mjs';
import { runStep, SetupRefused } from './setup/run-step.mjs';

const rootFolder = fileURLToPath(new URL('..', import.meta.url));
const inCi = process.env.CI === 'true' || process.env.CI === '1';
const isFull = process.env.FULL === '1';

try {
  checkHostNode();
  const installed = runStep('dependencies', () => installDependencies(rootFolder));
  runStep('node', () => verifyPlatformNode(rootFolder));
  runStep('redis-server', () => provideRedisServer(process.env));
  runStep('temporal', () => provideTemporal(rootFolder, process.env, { inCi }));
  runStep('kafka', () => provideKafka(rootFolder, process.env, { inCi }));
  if (inCi) runStep('test programs', () => provideTestPrograms());
  if (inCi || isFull) runStep('kubernetes', () => provideKubernetes(process.env, { inCi, isFull }));
  runStep('build', () => buildWorkspace(rootFolder, { force: installed.changed }));
} catch (error) {
  if (!(error instanceof SetupRefused)) throw error;
  process.stderr.write(`\nsetup: ${error.message}\n`);
  process.exitCode = 1;
}
