import type { Decide } from '../decision.ts';
import { NO_EFFECTS, NOTHING_TO_DO } from '../decision.ts';
import { indexOfName, isNewer, type LatestTelemetry, type LatestValue } from '../latest-telemetry.ts';
import { jsonFits, jsonProblem } from '../json-size.ts';
import { canonicalJson } from '../canonical-json.ts';
import type { JsonValue } from '../json.ts';
import { TWIN_LIMITS } from '../limits.ts';
import { NamedValues } from '../named-values.ts';
import type { TelemetryPoint } from '../twin-message.ts';

/**
 * Telemetry moves the latest values and neither version. This is the hot path: tens of thousands of records per second
 * come through here, so it allocates little more than the values that it keeps.
 */
export const decideTelemetry: Decide<'telemetry'> = (state, { points }, context) => {
  const newer: LatestValue[] = [];
  // Backwards: of two equal times in one record the later point is found first, and the earlier one is not newer.
  for (let at = points.length - 1; at >= 0; at--) {
    const { tsMs, values } = points[at] as TelemetryPoint;
    if (!Number.isSafeInteger(tsMs)) continue;
    const into = { newer, mayRepeat: points.length > 1, known: state.telemetry };
    const place = { tsMs, orderMs: Math.min(tsMs, context.nowMs), offset: context.offset };
    if (values instanceof NamedValues) {
      // Both are sorted, and a device mostly sends the same names: each is mostly where it stands in the table.
      const { names, list } = values;
      for (let index = 0; index < names.length; index++) {
        keepIfNewer(into, place, { name: names[index] as string, value: list[index] as JsonValue, index });
      }
    } else {
      for (const [name, value] of values) keepIfNewer(into, place, { name, value, index: 0 });
    }
  }
  if (newer.length === 0) return NOTHING_TO_DO;
  return { events: [{ kind: 'telemetryAdvanced', values: newer }], effects: NO_EFFECTS };
};

interface Kept {
  readonly newer: LatestValue[];
  /** Several points of one record may carry the same key. */
  readonly mayRepeat: boolean;
  readonly known: LatestTelemetry;
}

type Place = Pick<LatestValue, 'tsMs' | 'orderMs' | 'offset'>;

interface Measured {
  readonly name: string;
  readonly value: JsonValue;
  /** Where the name may stand among those that are known. */
  readonly index: number;
}

function keepIfNewer({ newer, mayRepeat, known }: Kept, place: Place, { name, value, index: hint }: Measured): void {
  const index = known[hint]?.name === name ? hint : indexOfName(known, name);
  if (index >= 0 && !isNewer(place.orderMs, place.offset, known[index] as LatestValue)) return;
  if (name.length > TWIN_LIMITS.telemetryKeyLengthMax) return;
  const latest = latestValue(name, place, value);
  if (latest !== null) keepNewest(newer, latest, mayRepeat);
}

function latestValue(name: string, { tsMs, orderMs, offset }: Place, value: JsonValue): LatestValue | null {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return null;
    // The sum turns -0 into 0: JSON has no negative zero.
    return { name, tsMs, orderMs, offset, value: value + 0, tooLarge: false };
  }
  if (typeof value === 'boolean' || value === null) return { name, tsMs, orderMs, offset, value, tooLarge: false };
  const problem = jsonProblem(value, TWIN_LIMITS.depthMax);
  if (problem === 'notJson') return null;
  const tooLarge = problem === 'tooDeep' || !jsonFits(value, TWIN_LIMITS.telemetryValueBytesMax);
  return { name, tsMs, orderMs, offset, value: tooLarge ? null : canonicalJson(value), tooLarge };
}

function keepNewest(newer: LatestValue[], latest: LatestValue, mayRepeat: boolean): void {
  if (mayRepeat) {
    const index = newer.findIndex(({ name }) => name === latest.name);
    if (index >= 0) {
      if (isNewer(latest.orderMs, latest.offset, newer[index] as LatestValue)) newer[index] = latest;
      return;
    }
  }
  newer.push(latest);
}
