import type { DeviceKey, Incarnation, SessionEpoch, TwinMessage } from '@breakwater/twin';

/** A record line as the runtime needs it. The versioned format is `libs/wire`'s; apps inject its decoder. */
export interface DecodedRecord {
  readonly key: DeviceKey;
  readonly incarnation: Incarnation;
  readonly sessionEpoch: SessionEpoch;
  readonly message: TwinMessage;
  /** W3C, of a record that has one and is no telemetry. */
  readonly traceparent?: string;
  /** The sender's time (Unix ms) of a record that shall be timed up to its commit; a sample is enough. */
  readonly sentAtMs?: number;
}

/** Throws an error of code `RECORD_VERSION_UNKNOWN` for a version it does not know: that stops the partition. */
export type RecordDecoder = (line: string) => DecodedRecord;
