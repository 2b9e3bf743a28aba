import { pino, type Logger, type LoggerOptions } from 'pino';

import { standardOutput } from './standard-output.ts';

export type { Logger } from 'pino';

/** JSON lines on stdout. Secrets never reach a line: the usual fields that hold one are cut out. */
export function createLogger(service: string, level: string): Logger {
  const options: LoggerOptions = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: ['token', 'password', 'apiKey', 'authorization', '*.token', '*.password', '*.apiKey', '*.authorization'],
  };
  return pino(options, standardOutput);
}
