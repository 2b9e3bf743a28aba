import type { TelemetryReader, WriterLedger } from '@breakwater/twin-runtime';
export function connectTelemetry(_s: unknown): { reader: TelemetryReader; writerLedger: WriterLedger; close(): Promise<void> } { throw new Error('x'); }
