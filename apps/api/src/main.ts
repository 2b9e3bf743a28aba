import 'reflect-metadata';
import { createLogger, runProcess } from '@breakwater/observability';

import { startApi } from './start-api.ts';

const logger = createLogger('api', process.env['LOG_LEVEL'] || 'info');
await runProcess(logger, () => startApi(process.env, logger));
