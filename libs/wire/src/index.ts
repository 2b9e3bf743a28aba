export {
  COMMAND_CHANGED,
  COMMAND_QUERY,
  COMMAND_RETRY_DEFAULT,
  COMMAND_SEARCH_ATTRIBUTES,
  COMMAND_TASK_QUEUE,
  commandWorkflowId,
  DEVICE_COMMAND,
} from './command-workflow.ts';
export type { CommandDocument, CommandRetry, DeviceCommandInput } from './command-workflow.ts';
export { ERROR_CODES, isErrorCode } from './error-codes.ts';
export type { ErrorCode } from './error-codes.ts';
export { FLAT_PAYLOAD_BYTES_MAX, FLAT_VALUES_MAX, FlatPoint, ValueGroup } from './flat-point.ts';
export { isTelemetryKey, LIMITS } from './limits.ts';
export { LineParts } from './line-parts.ts';
export type { LineSpan } from './line-parts.ts';
export { murmur2, partitionOf } from './partition-of.ts';
export { peekSender } from './peek-sender.ts';
export type { LineSender } from './peek-sender.ts';
export {
  DAY_MIXED,
  decodeRecord,
  encodeRecord,
  keyOfRecord,
  peekLine,
  RECORD_VERSION,
  telemetryLineHead,
  UnknownRecordVersion,
} from './record.ts';
export type {
  CommandHistoryData,
  DeadLetterData,
  LineHeadSender,
  LinePrefix,
  PointLine,
  RecordHeader,
  RecordMessage,
  WireRecord,
} from './record.ts';
export { ownBytes } from './own-bytes.ts';
export { TelemetryLineReader } from './telemetry-line-reader.ts';
export type { TelemetryLine } from './telemetry-line-reader.ts';
export { TelemetryLineWriter } from './telemetry-line-writer.ts';
export type { FlatLineHeader } from './telemetry-line-writer.ts';
export { DEVICE_TOPIC_PREFIX, GATEWAY_TOPIC_PREFIX, isCommandId, ownTail, parseUpTopic } from './topics.ts';
export type { TopicRefusal, UpTopic } from './topics.ts';
