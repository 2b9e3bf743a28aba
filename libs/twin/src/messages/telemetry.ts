import type { Decide } from '../decision.ts';
import { NO_EFFECTS, NOTHING_TO_DO } from '../decision.ts';
import { indexOfName, isNewer, type LatestValue } from '../latest-telemetry.ts';
import { jsonFits, jsonProblem } from '../json-size.ts';
import { canonicalJson } from '../canonical-json.ts';
import type { JsonValue } from '../json.ts';
import { TWIN_LIMITS } from '../limits.ts';
import type { TelemetryPoint } from '../twin-message.ts';

/**
 * Telemetry moves the latest values and neither version. This is the hot path: tens of thousands of records per second
 * come through here, so it allocates little more than the values that it keeps.
 */
export const decideTelemetry: Decide<'telemetry'> = (state, { points }, context) => {
  const { telemetry } = state;
  const newer: LatestValue[] = [];
  // Backwards: of two equal times in one record the later point is found first, and the earlier one is not newer.
  for (let at = points.length - 1; at >= 0; at--) {
    const { tsMs, values } = points[at] as TelemetryPoint;
    const orderMs = Math.min(tsMs, context.nowMs);
    if (!Number.isSafeInteger(tsMs)) continue;
    for (const [name, value] of values) {
      const index = indexOfName(telemetry, name);
      if (index >= 0 && !isNewer(orderMs, context.offset, telemetry[index] as LatestValue)) continue;
      if (name.length > TWIN_LIMITS.telemetryKeyLengthMax) continue;
      const latest = latestValue({ name, tsMs, orderMs, offset: context.offset }, value);
      if (latest !== null) keepNewest(newer, latest, points.length > 1);
    }
  }
  if (newer.length === 0) return NOTHING_TO_DO;
  return { events: [{ kind: 'telemetryAdvanced', values: newer }], effects: NO_EFFECTS };
};

function latestValue(at: Omit<LatestValue, 'value' | 'tooLarge'>, value: JsonValue): LatestValue | null {
  const { name, tsMs, orderMs, offset } = at;
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

/** Several points of one record may carry the same key. */
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
