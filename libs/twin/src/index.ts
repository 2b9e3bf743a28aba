export { applyMessage } from './apply-message.ts';
export type { AppliedMessage } from './apply-message.ts';
export { assert, AssertionFailed } from './assert.ts';
export { canonicalJson } from './canonical-json.ts';
export {
  ANSWER_STATES,
  COMMAND_STATES,
  commandDocument,
  findCommand,
  isEnded,
  rankOf,
  wasRefused,
} from './commands/command.ts';
export type {
  AnswerState,
  CommandProgress,
  CommandState,
  CommandTransition,
  TwinCommand,
  TwinCommands,
} from './commands/command.ts';
export { COMMAND_LIMITS } from './commands/command-limits.ts';
export { decide } from './decide.ts';
export { REJECTION_CODES } from './decision.ts';
export type { Decision, Rejection, RejectionCode } from './decision.ts';
export { deltaOf } from './delta.ts';
export { estimateBytes } from './estimate-bytes.ts';
export { evolve } from './evolve.ts';
export { deviceKey, isDeviceId, isTenantId, splitDeviceKey } from './ids.ts';
export type {
  Brand,
  DeviceId,
  DeviceKey,
  Epoch,
  Incarnation,
  LogId,
  Offset,
  Partition,
  SessionEpoch,
  TenantId,
} from './ids.ts';
export type { JsonObject, JsonValue } from './json.ts';
export { jsonEqual } from './json-equal.ts';
export { jsonBytes, jsonDepth, jsonFits, jsonProblem, utf8Bytes } from './json-size.ts';
export type { LatestTelemetry, LatestValue } from './latest-telemetry.ts';
export { TWIN_LIMITS } from './limits.ts';
export { mergePatch, mergePatchBetween } from './merge-patch.ts';
export { NamedValues } from './named-values.ts';
export type { PathTimestamps } from './path-timestamps.ts';
export { onlyTelemetryDiffers, parseTwin, serializeTelemetry, serializeTwin, STATE_VERSION } from './state-text.ts';
export { twinDocument } from './twin-document.ts';
export type { TwinEvent, TwinEventKind } from './twin-event.ts';
export type {
  CommandDispatch,
  OperationOutcome,
  RecordOutcome,
  TelemetryPoint,
  TwinContext,
  TwinEffect,
  TwinMessage,
  TwinMessageKind,
} from './twin-message.ts';
export { isDeleted, newTwin, operationOutcome } from './twin-state.ts';
export type { ArmedTimer, KeptOperation, Presence, TwinState } from './twin-state.ts';
