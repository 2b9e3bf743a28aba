import { assert } from './assert.ts';
import type { DeviceId, Incarnation, Offset, TenantId } from './ids.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { type StoredCommands, storedCommands, storedPresence, toCommands } from './commands/stored-commands.ts';
import type { LatestTelemetry, LatestValue } from './latest-telemetry.ts';
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
import { assertTwinState } from './twin-invariants.ts';
import { withDocuments } from './with-documents.ts';

/**
 * The stored form of a state: one JSON text, canonical. The same state has the same bytes, so that a replay can be
 * compared byte by byte; and every text is checked against the same invariants when it is written and when it is read.
 */
export const STATE_VERSION = 1;

/** Raised for a state that this build must not touch: consumers are upgraded before producers. */
export class UnknownStateVersion extends Error {
  override readonly name = 'UnknownStateVersion';
  readonly code = 'STATE_VERSION_UNKNOWN';
}

/** A latest value as it is stored; the time of comparison only where it is not the device's. */
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
  readonly telemetry: readonly StoredValue[];
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
    `"timers":${JSON.stringify(state.timers)},"telemetry":${telemetryText(state.telemetry)}${storedCommands(state.commands)}}`;
  assert(text.length <= TWIN_LIMITS.stateTextLengthMax, 'the limits of a twin bound its state');
  return text;
}

/** @throws UnknownStateVersion, and AssertionFailed for a text that no build of this version has written. */
export function parseTwin(text: string): TwinState {
  const stored = parseStored(text);
  if (stored.v !== STATE_VERSION) throw new UnknownStateVersion(`state version ${String(stored.v)} is not known`);
  const isTombstone = stored.deletedAtMs !== null;
  assert(isTombstone === (stored.desired === undefined), 'a tombstone has no document, and all else has one');
  const empty = newTwin(stored, stored.incarnation);
  const { createdAtMs, deletedAtMs, version, reportedVersion, changeNumber } = stored;
  const numbers = { ...empty, createdAtMs, deletedAtMs, version, reportedVersion, changeNumber };
  const state = stored.desired === undefined ? numbers : withDocument(numbers, stored, stored.desired);
  assertTwinState(state);
  return state;
}

function parseStored(text: string): StoredState {
  assert(text.length <= TWIN_LIMITS.stateTextLengthMax, 'the limits of a twin bound its state');
  const parsed: unknown = JSON.parse(text);
  assert(isJsonObject(parsed), 'a stored state is a JSON object');
  return parsed as unknown as StoredState;
}

function withDocument(numbers: TwinState, stored: StoredState, desired: JsonObject): TwinState {
  for (const list of [stored.timestamps, stored.operations, stored.timers, stored.telemetry]) {
    assert(Array.isArray(list), 'timestamps, operations, timers and latest values are lists');
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
    telemetry: stored.telemetry.map(latestValue),
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

function telemetryText(table: LatestTelemetry): string {
  let text = '';
  for (const { name, tsMs, orderMs, offset, value, tooLarge } of table) {
    const json = typeof value === 'number' ? value : JSON.stringify(value);
    const rest = orderMs === tsMs && !tooLarge ? '' : `,${orderMs},${tooLarge ? 1 : 0}`;
    text += `${text && ','}[${JSON.stringify(name)},${tsMs},${offset},${json}${rest}]`;
  }
  return `[${text}]`;
}

function latestValue(stored: StoredValue): LatestValue {
  const [name, tsMs, offset, value, orderMs = tsMs, tooLarge = 0] = stored;
  return { name, tsMs, orderMs, offset, value, tooLarge: tooLarge === 1 };
}
