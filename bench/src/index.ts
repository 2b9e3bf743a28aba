export { Installation } from './installation.ts';
export type { RunningPart } from './installation.ts';
export { LoadGenerator } from './load-generator.ts';
export type { LoadPhase, LoadProgress } from './load-generator.ts';
export { PlatformClient } from './platform-client.ts';
export { checkRows } from './row-check.ts';
export type { RowCheck } from './row-check.ts';
export { LatencyHistogram } from './latency-histogram.ts';
export type { DeviceLogin } from './simulated-device.ts';
