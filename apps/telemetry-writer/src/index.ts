export { startWriter } from './start-writer.ts';
export { TelemetryWriter } from './telemetry-writer.ts';
