import { DefaultLogger } from '@temporalio/worker';

import { buildWorkflowBundle } from './workflow-bundle.ts';

// The last step of a build.
const isNew = await buildWorkflowBundle(
  new DefaultLogger('WARN', ({ level, message }) => process.stderr.write(`${level} ${message}\n`)),
);
process.stdout.write(isNew ? 'made\n' : 'up to date\n');
