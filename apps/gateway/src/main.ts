import { createLogger, runProcess } from '@breakwater/observability';

import { readGatewaySettings } from './read-gateway-settings.ts';
import { startGateway } from './start-gateway.ts';

const logger = createLogger('gateway', process.env['LOG_LEVEL'] ?? 'info');
await runProcess(logger, async () => startGateway(readGatewaySettings(process.env), logger));
