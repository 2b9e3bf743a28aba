import { runProcess } from '@breakwater/observability';

import { embeddedLogger, startEmbeddedClickhouse } from './embedded-server.ts';

const logger = embeddedLogger(process.env);
await runProcess(logger, () => startEmbeddedClickhouse(process.env, logger));
