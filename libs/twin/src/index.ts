export { assert, AssertionFailed } from './assert.ts';
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
export type {
  OperationOutcome,
  RecordOutcome,
  TelemetryPoint,
  TwinContext,
  TwinEffect,
  TwinMessage,
  TwinMessageKind,
} from './twin-message.ts';
