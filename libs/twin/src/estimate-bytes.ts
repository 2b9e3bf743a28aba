import type { JsonObject, JsonValue } from './json.ts';
import type { LatestTelemetry } from './latest-telemetry.ts';
import type { TwinState } from './twin-state.ts';

/** Measured on V8, see the test. The passivation budget needs the order of magnitude, no more. */
const STATE_BYTES = 700;
const VALUE_BYTES = 120;
const OPERATION_BYTES = 200;
const CONTAINER_BYTES = 80;
const MEMBER_BYTES = 40;

/** Documents are shared between the states of a twin, so each is walked once in its life. */
const known = new WeakMap<object, number>();

/** About how much memory a state holds. Cheap: telemetry, the most frequent change, walks no document. */
export function estimateBytes(state: TwinState): number {
  return (
    STATE_BYTES +
    documentBytes(state.desired) +
    documentBytes(state.reported) +
    documentBytes(state.tags) +
    documentBytes(state.desiredTimestamps) +
    documentBytes(state.reportedTimestamps) +
    documentBytes(state.tagsTimestamps) +
    telemetryBytes(state.telemetry) +
    state.operations.length * OPERATION_BYTES +
    valueBytes(state.presence.status ?? null)
  );
}

function telemetryBytes(table: LatestTelemetry): number {
  let bytes = table.length * VALUE_BYTES;
  for (const { value } of table) if (typeof value !== 'number') bytes += valueBytes(value);
  return bytes;
}

function documentBytes(document: JsonObject): number {
  let bytes = known.get(document);
  if (bytes === undefined) {
    bytes = valueBytes(document);
    known.set(document, bytes);
  }
  return bytes;
}

function valueBytes(value: JsonValue): number {
  if (typeof value === 'string') return value.length * 2;
  if (typeof value !== 'object' || value === null) return 0;
  let bytes = CONTAINER_BYTES;
  if (Array.isArray(value)) {
    for (const element of value as readonly JsonValue[]) bytes += MEMBER_BYTES + valueBytes(element);
    return bytes;
  }
  for (const [key, child] of Object.entries(value as JsonObject))
    bytes += MEMBER_BYTES + key.length + valueBytes(child);
  return bytes;
}
