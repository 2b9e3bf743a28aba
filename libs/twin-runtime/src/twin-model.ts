import {
  applyMessage,
  type AppliedMessage,
  type DeviceKey,
  estimateBytes,
  type Incarnation,
  type JsonObject,
  newTwin,
  onlyTelemetryDiffers,
  parseTwin,
  serializeTelemetry,
  serializeTwin,
  splitDeviceKey,
  type TwinContext,
  twinDocument,
  type TwinMessage,
  type TwinState,
} from '@breakwater/twin';

/** The domain as the runtime calls it. Pure; a test may put another in its place. */
export interface TwinModel {
  newTwin(key: DeviceKey, incarnation: Incarnation): TwinState;
  applyMessage(state: TwinState, message: TwinMessage, context: TwinContext): AppliedMessage;
  serializeTwin(state: TwinState): string;
  /** What stands after the first newline of the serialized twin. */
  serializeTelemetry(state: TwinState): string;
  /** Whether the serialized twins are the same up to the first newline. */
  onlyTelemetryDiffers(before: TwinState, after: TwinState): boolean;
  parseTwin(text: string): TwinState;
  twinDocument(state: TwinState): JsonObject;
  estimateBytes(state: TwinState): number;
}

/** `libs/twin`. */
export const twinModel: TwinModel = {
  newTwin: (key, incarnation) => newTwin(splitDeviceKey(key), incarnation),
  applyMessage,
  serializeTwin,
  serializeTelemetry,
  onlyTelemetryDiffers,
  parseTwin,
  twinDocument,
  estimateBytes,
};
