export { createLogger } from './logger.ts';
export type { Logger } from './logger.ts';
export { Counter, Gauge, Histogram, Metrics, Registry } from './metrics.ts';
export { startHealthServer } from './health-server.ts';
export type { HealthServer, Readiness } from './health-server.ts';
export { runProcess } from './process-lifecycle.ts';
export type { RunningProcess } from './process-lifecycle.ts';
