import { fileURLToPath } from 'node:url';

import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';

/** Runs the empty workflows, in a process of its own. Started with address, namespace, queue. */
const [address = '', namespace = '', taskQueue = ''] = process.argv.slice(2);
/** As many as the platform's worker takes by default. */
const WORKFLOW_TASKS_MAX = 40;

Runtime.install({ logger: new DefaultLogger('ERROR') });
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./empty-workflow.js', import.meta.url)),
  maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS_MAX,
});
process.once('disconnect', () => worker.shutdown());
process.send?.('ready');
await worker.run();
await connection.close();
