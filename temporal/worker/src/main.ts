import { createLogger, runProcess } from '@breakwater/observability';

import { readTemporalWorkerSettings } from './read-temporal-worker-settings.ts';
import { startTemporalWorker } from './start-temporal-worker.ts';

const logger = createLogger('temporal-worker', process.env['LOG_LEVEL'] ?? 'info');
await runProcess(logger, async () => startTemporalWorker(readTemporalWorkerSettings(process.env), logger));
