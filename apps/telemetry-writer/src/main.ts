import { createLogger, runProcess } from '@breakwater/observability';

import { readWriterSettings } from './read-writer-settings.ts';
import { startWriter } from './start-writer.ts';

const logger = createLogger('telemetry-writer', process.env['LOG_LEVEL'] ?? 'info');
await runProcess(logger, async () => startWriter(readWriterSettings(process.env), logger));
