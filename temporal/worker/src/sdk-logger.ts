import type { Logger } from '@breakwater/observability';
import { DefaultLogger, type Logger as SdkLogger, Runtime } from '@temporalio/worker';

const SILENT: SdkLogger = new DefaultLogger('ERROR', () => undefined);

/** The SDK would write its own lines to the console; ours are JSON, and one process has one log. */
export function installSdkLogger(logger: Logger): SdkLogger {
  const sdkLogger = new DefaultLogger('WARN', ({ level, message, meta }) => {
    const entry = { sdk: meta };
    if (level === 'ERROR') logger.error(entry, message);
    else logger.warn(entry, message);
  });
  Runtime.install({ logger: sdkLogger });
  return SILENT;
}
