import { NO_COMMANDS, type TwinCommands } from './commands/command.ts';
import type { DeviceId, Incarnation, SessionEpoch, TenantId } from './ids.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { type LatestTelemetry, NO_TELEMETRY } from './latest-telemetry.ts';
import type { PathTimestamps } from './path-timestamps.ts';
import type { OperationOutcome } from './twin-message.ts';

/** Whether the device has a session, as far as the log tells. */
export interface Presence {
  readonly connected: boolean;
  /** When it became so; null for a device that was never connected. */
  readonly sinceMs: number | null;
  /** The highest session epoch seen; lower ones are ignored. */
  readonly sessionEpoch: SessionEpoch;
  /** The open session listens to `twin/desired`. */
  readonly desiredSubscribed: boolean;
  /** The open session listens to commands. */
  readonly commandsSubscribed: boolean;
  /** Why the last session ended; null while connected. */
  readonly reason: string | null;
  /** What the device, or its will, last said of this session on `status`; undefined when it did not. */
  readonly status: JsonValue | undefined;
}

export interface KeptOperation {
  readonly operationId: string;
  readonly outcome: OperationOutcome;
}

export interface ArmedTimer {
  readonly timerId: string;
  /** Grows each time the timer is set: a firing of an older generation is void. */
  readonly generation: number;
  readonly dueAtMs?: number;
}

/**
 * Everything that the platform knows of one life of a device. A function of the device's records and of nothing else.
 * Never changed in place: what did not change is shared between a state and its successor.
 */
export interface TwinState {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
  readonly createdAtMs: number | null;
  /** Set: a tombstone. It keeps the incarnation, so that late records of the ended life are recognised. */
  readonly deletedAtMs: number | null;
  /** Counts changes of `desired` and `tags` together; the ETag. */
  readonly version: number;
  readonly reportedVersion: number;
  /** Counts `changed` effects. */
  readonly changeNumber: number;
  readonly desired: JsonObject;
  readonly reported: JsonObject;
  readonly tags: JsonObject;
  readonly desiredTimestamps: PathTimestamps;
  readonly reportedTimestamps: PathTimestamps;
  readonly tagsTimestamps: PathTimestamps;
  readonly telemetry: LatestTelemetry;
  readonly presence: Presence;
  /** The last API writes, oldest first. */
  readonly operations: readonly KeptOperation[];
  readonly timers: readonly ArmedTimer[];
  readonly commands: TwinCommands;
  /** Derived, not stored: about how much memory the six documents take. */
  readonly documentsMemoryBytes: number;
}

/** Shared by all twins. */
export const EMPTY_OBJECT: JsonObject = Object.freeze({});
const EMPTY_LIST: readonly never[] = Object.freeze([]);
const NEVER_CONNECTED: Presence = Object.freeze({
  connected: false,
  sinceMs: null,
  sessionEpoch: 0 as SessionEpoch,
  desiredSubscribed: false,
  commandsSubscribed: false,
  reason: null,
  status: undefined,
});

/** The state of a device before its first record. */
export function newTwin(
  key: { readonly tenant: TenantId; readonly device: DeviceId },
  incarnation: Incarnation,
): TwinState {
  return {
    tenant: key.tenant,
    device: key.device,
    incarnation,
    createdAtMs: null,
    deletedAtMs: null,
    version: 0,
    reportedVersion: 0,
    changeNumber: 0,
    desired: EMPTY_OBJECT,
    reported: EMPTY_OBJECT,
    tags: EMPTY_OBJECT,
    desiredTimestamps: EMPTY_OBJECT,
    reportedTimestamps: EMPTY_OBJECT,
    tagsTimestamps: EMPTY_OBJECT,
    telemetry: NO_TELEMETRY,
    presence: NEVER_CONNECTED,
    operations: EMPTY_LIST,
    timers: EMPTY_LIST,
    commands: NO_COMMANDS,
    documentsMemoryBytes: 0,
  };
}

/** A tombstone: its life ended and no newer one has begun. */
export function isDeleted(state: TwinState): boolean {
  return state.deletedAtMs !== null;
}

/** How an API write ended, or null when it is none of the last ones. */
export function operationOutcome(state: TwinState, operationId: string): OperationOutcome | null {
  return state.operations.find((operation) => operation.operationId === operationId)?.outcome ?? null;
}
