import type { JsonObject, JsonValue } from './json.ts';
import type { LatestTelemetry } from './latest-telemetry.ts';
import type { TwinState } from './twin-state.ts';

/** Measured on V8 (Node 24), for twins of 5 and 10 telemetry keys with and without documents: right within a fifth. */
const STATE_BYTES = 550;
const LATEST_VALUE_BYTES = 120;
const OPERATION_BYTES = 100;
const COMMAND_BYTES = 900;
/** The id of an order; most are UUIDs. */
const REFUSED_BYTES = 72;
const CONTAINER_BYTES = 56;
const MEMBER_BYTES = 24;
const TEXT_BYTES = 16;

/** About how much memory a state holds. Called for every applied record: it walks no document. */
export function estimateBytes(state: TwinState): number {
  return (
    STATE_BYTES +
    state.documentsMemoryBytes +
    latestBytes(state.telemetry) +
    state.operations.length * OPERATION_BYTES +
    commandsBytes(state) +
    valueMemoryBytes(state.presence.status ?? null)
  );
}

/** The ended ones are few and small; what they may have at most is not counted, but their number is. */
function commandsBytes({ commands: { pending, pendingBytes, ended, refused } }: TwinState): number {
  return pendingBytes + (pending.length + ended.length) * COMMAND_BYTES + refused.length * REFUSED_BYTES;
}

/** What desired, reported, tags and their timestamps take; the empty ones are shared between all twins. */
export function documentsMemoryBytes(state: Omit<TwinState, 'documentsMemoryBytes'>): number {
  return (
    valueMemoryBytes(state.desired) +
    valueMemoryBytes(state.reported) +
    valueMemoryBytes(state.tags) +
    valueMemoryBytes(state.desiredTimestamps) +
    valueMemoryBytes(state.reportedTimestamps) +
    valueMemoryBytes(state.tagsTimestamps)
  );
}

function latestBytes(table: LatestTelemetry): number {
  let bytes = table.length * LATEST_VALUE_BYTES;
  for (const { value } of table) if (typeof value !== 'number') bytes += valueMemoryBytes(value);
  return bytes;
}

function valueMemoryBytes(value: JsonValue): number {
  if (typeof value === 'string') return TEXT_BYTES + value.length;
  if (typeof value === 'number') return TEXT_BYTES;
  if (typeof value !== 'object' || value === null) return 0;
  const children: readonly JsonValue[] = Array.isArray(value) ? value : Object.values(value as JsonObject);
  if (children.length === 0) return 0;
  return children.reduce<number>((bytes, child) => bytes + MEMBER_BYTES + valueMemoryBytes(child), CONTAINER_BYTES);
}
