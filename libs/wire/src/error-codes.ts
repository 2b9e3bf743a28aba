/** Every code that a device, an application, an operator or a log line can show. docs/errors.md has one heading each. */
export const ERROR_CODES = [
  // event log and stores
  'LANE_FULL',
  'PRODUCER_FENCED',
  'SEQUENCE_GAP',
  'FRAME_TOO_LARGE',
  'POSITION_OUT_OF_RANGE',
  'RECORD_VERSION_UNKNOWN',
  'STATE_VERSION_UNKNOWN',
  'STALE_EPOCH',
  'POSITION_MISMATCH',
  'REVISION_MISMATCH',
  'LOG_CHANGED',
  'COMMIT_TOO_LARGE',
  // messages from devices
  'TOPIC_NOT_OWN',
  'TOPIC_UNKNOWN',
  'PAYLOAD_MALFORMED',
  'PAYLOAD_TOO_LARGE',
  'TELEMETRY_KEY_INVALID',
  'TELEMETRY_VALUE_INVALID',
  'TIMESTAMP_INVALID',
  'TIMESTAMP_TOO_OLD',
  'JSON_TOO_DEEP',
  // twins
  'TWIN_VERSION_CONFLICT',
  'TWIN_TOO_LARGE',
  'PATCH_INVALID',
  // API
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'DEVICE_EXISTS',
  'TENANT_EXISTS',
  'REQUEST_INVALID',
  'OPERATION_PENDING',
  'CONTROL_LAGGING',
  'BACKEND_UNAVAILABLE',
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];
