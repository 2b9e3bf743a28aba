import {
  isDeleted,
  type JsonObject,
  newTwin,
  operationOutcome,
  type OperationOutcome,
  parseTwin,
  type TwinCommands,
  twinDocument,
  type TwinState,
} from '@breakwater/twin';
import type { RegisteredDevice } from '@breakwater/twin-runtime';

/** A twin as it is stored at this moment. */
export interface TwinView {
  readonly version: number;
  readonly document: JsonObject;
  readonly commands: TwinCommands;
  /** How an operation ended, if the twin still remembers it. */
  outcomeOf(operationKey: string): OperationOutcome | null;
}

/** What applications see of a stored state. A device has a twin from its registration on, before its first record. */
export function viewStoredTwin(device: RegisteredDevice, stored: string | null): TwinView {
  const state = currentState(device, stored);
  return {
    version: state.version,
    document: twinDocument(state),
    commands: state.commands,
    outcomeOf: (operationKey) => operationOutcome(state, operationKey),
  };
}

/** A state of an earlier life of the id is not this device's. */
function currentState(device: RegisteredDevice, stored: string | null): TwinState {
  const state = stored === null ? null : parseTwin(stored);
  return state === null || isDeleted(state) || state.incarnation < device.incarnation
    ? newTwin(device, device.incarnation)
    : state;
}
