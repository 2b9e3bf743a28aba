/**
 * What bounds a twin. Together they bound the stored text of a state: a shard can load, hold and write any twin.
 * They are part of the contract with devices and applications, not settings.
 */
export const TWIN_LIMITS = {
  /**
   * UTF-8 bytes of JSON, counted for each writer apart: `desired` and `tags` together (applications), `reported` (the
   * device). One sum for both would let a device that reports too much lock its operators out, and a desired state
   * over half of the sum could never be reported back.
   */
  documentBytesMax: 64 * 1024,
  /** Objects and arrays inside each other, the outermost one included. */
  depthMax: 8,
  /** Latest values kept per twin; over it the ones with the oldest time go. */
  telemetryKeysMax: 512,
  telemetryKeyLengthMax: 64,
  /** A larger latest value stays in the telemetry store only; the twin keeps its time and that it was too large. */
  telemetryValueBytesMax: 1024,
  /** API writes whose outcome is remembered, so that a repeat gets the first answer. */
  operationsMax: 32,
  operationIdLengthMax: 256,
  /** What a device says of itself on `status`. */
  statusBytesMax: 4 * 1024,
  /** Why a session ended; a longer reason is cut. */
  reasonLengthMax: 256,
  timersMax: 64,
  /** UTF-16 length of a stored state. No state within the limits above comes near it: this is their pair. */
  stateTextLengthMax: 2 * 1024 * 1024,
} as const;
