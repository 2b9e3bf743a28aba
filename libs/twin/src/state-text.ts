import { assert } from './assert.ts';
import type { DeviceId, Incarnation, Offset, TenantId } from './ids.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { type StoredCommands, storedCommands, storedPresence, toCommands } from './commands/stored-commands.ts';
import { NO_TELEMETRY, type LatestTelemetry, type LatestValue } from './latest-telemetry.ts';
import { TWIN_LIMITS } from './limits.ts';
import { isEmptyObject, isJsonObject } from './own-property.ts';
import {
  EMPTY_OBJECT,
  newTwin,
  type ArmedTimer,
  type KeptOperation,
  type Presence,
  type TwinState,
} from './twin-state.ts';
import { parseTelemetry, telemetryText } from './telemetry-text.ts';
import { assertTelemetry, assertTwinState } from './twin-invariants.ts';
import { withDocuments } from './with-documents.ts';

/**
 * The stored form of a state: two lines of JSON, the document and the latest values, so that a measurement writes the
 * second only. Canonical: the same state has the same bytes, so that a replay can be compared byte by byte; and every
 * text is checked against the same invariants when it is written and when it is read. A tombstone is one line.
 */
export const STATE_VERSION = 2;
/** One line, the latest values in it; read, and written no more. */
const VERSION_WITH_TELEMETRY = 1;
const NEWLINE = '\n';
const ALL_BUT_TELEMETRY = (
  Object.keys(newTwin({ tenant: '' as TenantId, device: '' as DeviceId }, 0 as Incarnation)) as (keyof TwinState)[]
).filter((key) => key !== 'telemetry');

/** Raised for a state that this build must not touch: consumers are upgraded before producers. */
class UnknownStateVersion extends Error {
  override readonly name = 'UnknownStateVersion';
  readonly code = 'STATE_VERSION_UNKNOWN';
}

/** A latest value as version 1 stored it; the time of comparison only where it is not the device's. */
type StoredValue =
  | readonly [name: string, tsMs: number, offset: Offset, value: JsonValue]
  | readonly [name: string, tsMs: number, offset: Offset, value: JsonValue, orderMs: number, tooLarge: 0 | 1];

interface StoredState {
  readonly v: number;
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
  readonly createdAtMs: number | null;
  readonly deletedAtMs: number | null;
  readonly version: number;
  readonly reportedVersion: number;
  readonly changeNumber: number;
  /** Absent in a tombstone, with all that follows. */
  readonly desired?: JsonObject;
  readonly reported: JsonObject;
  readonly tags: JsonObject;
  readonly timestamps: readonly [desired: JsonObject, reported: JsonObject, tags: JsonObject];
  readonly presence: Omit<Presence, 'status' | 'commandsSubscribed'> & {
    readonly commandsSubscribed?: true;
    readonly status?: JsonValue;
  };
  readonly operations: readonly KeptOperation[];
  readonly timers: readonly ArmedTimer[];
  /** Of version 1 only. */
  readonly telemetry?: readonly StoredValue[];
  /** Absent as long as nothing was ever ordered. */
  readonly commands?: StoredCommands;
}

export function serializeTwin(state: TwinState): string {
  assertTwinState(state);
  const head =
    `{"v":${STATE_VERSION},"tenant":${JSON.stringify(state.tenant)},"device":${JSON.stringify(state.device)},` +
    `"incarnation":${state.incarnation},"createdAtMs":${state.createdAtMs},"deletedAtMs":${state.deletedAtMs},` +
    `"version":${state.version},"reportedVersion":${state.reportedVersion},"changeNumber":${state.changeNumber}`;
  if (state.deletedAtMs !== null) return `${head}}`;
  const timestamps = [state.desiredTimestamps, state.reportedTimestamps, state.tagsTimestamps];
  const text =
    `${head},"desired":${JSON.stringify(state.desired)},"reported":${JSON.stringify(state.reported)},` +
    `"tags":${JSON.stringify(state.tags)},"timestamps":${JSON.stringify(timestamps)},` +
    `"presence":${JSON.stringify(storedPresence(state.presence))},"operations":${JSON.stringify(state.operations)},` +
    `"timers":${JSON.stringify(state.timers)}${storedCommands(state.commands)}}${NEWLINE}` +
    telemetryText(state.telemetry);
  assert(text.length <= TWIN_LIMITS.stateTextLengthMax, 'the limits of a twin bound its state');
  return text;
}

/** The second line of the stored form: what is written when nothing but the latest values has changed. */
export function serializeTelemetry(state: TwinState): string {
  assert(state.deletedAtMs === null, 'a tombstone has no latest values');
  assertTelemetry(state);
  return telemetryText(state.telemetry);
}

/** Whether a write of the second line turns the stored form of one state into that of the other. */
export function onlyTelemetryDiffers(before: TwinState, after: TwinState): boolean {
  if (before.deletedAtMs !== null) return false;
  return ALL_BUT_TELEMETRY.every((key) => before[key] === after[key]);
}

/** @throws UnknownStateVersion, and AssertionFailed for a text that no build of these versions has written. */
export function parseTwin(text: string): TwinState {
  const lineEnd = text.indexOf(NEWLINE);
  const stored = parseStored(lineEnd < 0 ? text : text.slice(0, lineEnd));
  if (stored.v !== STATE_VERSION && stored.v !== VERSION_WITH_TELEMETRY) {
    throw new UnknownStateVersion(`state version ${String(stored.v)} is not known`);
  }
  const isTombstone = stored.deletedAtMs !== null;
  assert(isTombstone === (stored.desired === undefined), 'a tombstone has no document, and all else has one');
  const empty = newTwin(stored, stored.incarnation);
  const { createdAtMs, deletedAtMs, version, reportedVersion, changeNumber } = stored;
  const numbers = { ...empty, createdAtMs, deletedAtMs, version, reportedVersion, changeNumber };
  if (stored.desired === undefined) {
    assertTwinState(numbers);
    return numbers;
  }
  const telemetry = lineEnd < 0 ? telemetryOfVersion1(stored) : parseTelemetry(text.slice(lineEnd + 1));
  const state = withDocument(numbers, stored, { desired: stored.desired, telemetry });
  assertTwinState(state);
  return state;
}

function parseStored(text: string): StoredState {
  assert(text.length <= TWIN_LIMITS.stateTextLengthMax, 'the limits of a twin bound its state');
  const parsed: unknown = JSON.parse(text);
  assert(isJsonObject(parsed), 'a stored state is a JSON object');
  return parsed as unknown as StoredState;
}

/** Once its latest values were written alone, they stand in the second line, and those in the first are old. */
function telemetryOfVersion1({ v, telemetry }: StoredState): LatestTelemetry {
  assert(v === VERSION_WITH_TELEMETRY && Array.isArray(telemetry), 'the latest values are stored');
  return telemetry.length === 0 ? NO_TELEMETRY : telemetry.map(latestValue);
}

function withDocument(
  numbers: TwinState,
  stored: StoredState,
  { desired, telemetry }: Pick<TwinState, 'desired' | 'telemetry'>,
): TwinState {
  for (const list of [stored.timestamps, stored.operations, stored.timers]) {
    assert(Array.isArray(list), 'timestamps, operations and timers are lists');
  }
  assert(isJsonObject(stored.presence), 'the presence is an object');
  const [desiredTimestamps, reportedTimestamps, tagsTimestamps] = stored.timestamps;
  const { connected, sinceMs, sessionEpoch, desiredSubscribed, commandsSubscribed, reason, status } = stored.presence;
  const documents = {
    desired: shared(desired),
    reported: shared(stored.reported),
    tags: shared(stored.tags),
    desiredTimestamps: shared(desiredTimestamps),
    reportedTimestamps: shared(reportedTimestamps),
    tagsTimestamps: shared(tagsTimestamps),
  };
  return {
    ...withDocuments(numbers, documents),
    telemetry,
    presence: {
      connected,
      sinceMs,
      sessionEpoch,
      desiredSubscribed,
      commandsSubscribed: commandsSubscribed === true,
      reason,
      status,
    },
    operations: stored.operations,
    timers: stored.timers,
    commands: toCommands(stored.commands),
  };
}

/** Most twins have empty documents, and a million of them need not have six each. */
function shared(document: JsonObject): JsonObject {
  return isJsonObject(document) && isEmptyObject(document) ? EMPTY_OBJECT : document;
}

function latestValue(stored: StoredValue): LatestValue {
  const [name, tsMs, offset, value, orderMs = tsMs, tooLarge = 0] = stored;
  return { name, tsMs, orderMs, offset, value, tooLarge: tooLarge === 1 };
}
