import { byCodeUnits } from './canonical-json.ts';
import type { Offset } from './ids.ts';
import type { JsonValue } from './json.ts';
import { TWIN_LIMITS } from './limits.ts';

/** The newest value of one telemetry key. */
export interface LatestValue {
  readonly name: string;
  /** Device time, as sent. */
  readonly tsMs: number;
  /** The time that is compared: `min(tsMs, time of the append)`, so that one clock jump does not freeze the value. */
  readonly orderMs: number;
  /** Place of its record in the telemetry lane; the higher one wins where times are equal. */
  readonly offset: Offset;
  /** `null` where `tooLarge`. */
  readonly value: JsonValue;
  readonly tooLarge: boolean;
}

/**
 * The latest values of a twin, sorted by name.
 *
 * The table is a function of the set of records, not of the order in which they came: each key keeps the maximum of a
 * total order (time, then log position), and over the limit the greatest keys by the same order (then name) stay. A
 * key that was dropped was below as many keys as may stay, and these only grow; so it can not belong to the result.
 */
export type LatestTelemetry = readonly LatestValue[];

export const NO_TELEMETRY: LatestTelemetry = Object.freeze([]);

/** Index of `name`, or `-1 - (where it would stand)`. */
export function indexOfName(table: LatestTelemetry, name: string): number {
  let low = 0;
  let high = table.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = (table[middle] as LatestValue).name;
    if (found === name) return middle;
    if (found < name) low = middle + 1;
    else high = middle - 1;
  }
  return -1 - low;
}

/** Whether a value at this time and place replaces `known`. The same record again does not. */
export function isNewer(orderMs: number, offset: number, known: LatestValue): boolean {
  return orderMs > known.orderMs || (orderMs === known.orderMs && offset > known.offset);
}

/** The table with these values in it; each must be newer than what the table has under its name. */
export function withLatest(table: LatestTelemetry, values: readonly LatestValue[]): LatestTelemetry {
  // A device mostly sends the same names, and then its new values are the new table.
  if (values.length === table.length && values.every(({ name }, index) => table[index]?.name === name)) return values;
  const next = table.slice();
  for (const value of values) {
    const index = indexOfName(table, value.name);
    if (index >= 0) next[index] = value;
    else next.push(value);
  }
  if (next.length === table.length) return next;
  next.sort(byName);
  return next.length > TWIN_LIMITS.telemetryKeysMax ? newest(next) : next;
}

function newest(table: LatestValue[]): LatestTelemetry {
  return table.sort(byAge).slice(0, TWIN_LIMITS.telemetryKeysMax).sort(byName);
}

function byName(left: LatestValue, right: LatestValue): number {
  return byCodeUnits(left.name, right.name);
}

function byAge(left: LatestValue, right: LatestValue): number {
  return right.orderMs - left.orderMs || right.offset - left.offset || byName(left, right);
}
