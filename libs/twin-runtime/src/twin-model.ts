import {
  applyMessage,
  type AppliedMessage,
  type DeviceKey,
  estimateBytes,
  type Incarnation,
  type JsonObject,
  newTwin,
  parseTwin,
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
  parseTwin(text: string): TwinState;
  twinDocument(state: TwinState): JsonObject;
  estimateBytes(state: TwinState): number;
}

/** `libs/twin`. */
export const twinModel: TwinModel = {
  newTwin: (key, incarnation) => newTwin(splitDeviceKey(key), incarnation),
  applyMessage,
  serializeTwin,
  parseTwin,
  twinDocument,
  estimateBytes,
};
