export { createLogger } from './logger.ts';
export type { Logger } from './logger.ts';
export { Counter, Gauge, Histogram, Metrics, Registry } from './metrics.ts';
