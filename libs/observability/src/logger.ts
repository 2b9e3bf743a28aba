import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** JSON lines on stdout. Secrets never reach a line: the usual fields that hold one are cut out. */
export function createLogger(service: string, level: string): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: ['token', 'password', 'apiKey', 'authorization', '*.token', '*.password', '*.apiKey', '*.authorization'],
  });
}
