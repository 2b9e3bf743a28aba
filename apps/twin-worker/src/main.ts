import { createLogger, runProcess } from '@breakwater/observability';

import { readWorkerSettings } from './read-worker-settings.ts';
import { startWorker } from './start-worker.ts';

const logger = createLogger('twin-worker', process.env['LOG_LEVEL'] ?? 'info');
await runProcess(logger, async () => startWorker(readWorkerSettings(process.env), logger));
