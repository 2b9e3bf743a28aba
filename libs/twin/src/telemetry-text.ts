import { assert } from './assert.ts';
import { byCodeUnits } from './canonical-json.ts';
import type { Offset } from './ids.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { LatestTelemetry, LatestValue } from './latest-telemetry.ts';
import { isJsonObject } from './own-property.ts';

/**
 * Values of one point: they share its time and its place in the log. The time of comparison stands there only where it
 * is not the device's, and the names of values that were too large only where there are any.
 */
type StoredGroup =
  | readonly [tsMs: number, offset: Offset, values: JsonObject]
  | readonly [tsMs: number, offset: Offset, values: JsonObject, orderMs: number, tooLarge: readonly string[]];

/** The groups being written, by what their values share. */
interface OpenGroup {
  readonly first: LatestValue;
  values: string;
  tooLarge: string;
}

/**
 * The stored form of the latest values: a section of its own, because it changes with every measurement and nothing
 * else of a twin does. Canonical: names are sorted, and groups stand in the order of their first names.
 */
export function telemetryText(table: LatestTelemetry): string {
  const [first] = table;
  if (first === undefined) return '[]';
  let group: OpenGroup = { first, values: '', tooLarge: '' };
  const groups = [group];
  let others: Map<string, OpenGroup> | null = null;
  for (const latest of table) {
    if (!isSamePoint(latest, group.first)) {
      others ??= new Map([[pointOf(first), group]]);
      const known = others.get(pointOf(latest));
      group = known ?? { first: latest, values: '', tooLarge: '' };
      if (known === undefined) {
        others.set(pointOf(latest), group);
        groups.push(group);
      }
    }
    const { name, value, tooLarge } = latest;
    const quoted = JSON.stringify(name);
    group.values += `${group.values && ','}${quoted}:${typeof value === 'number' ? value : JSON.stringify(value)}`;
    if (tooLarge) group.tooLarge += `${group.tooLarge && ','}${quoted}`;
  }
  return `[${groups.map(groupText).join(',')}]`;
}

/** @throws AssertionFailed for a text that no build of this version has written; not all of it is checked here. */
export function parseTelemetry(text: string): LatestTelemetry {
  const groups: unknown = JSON.parse(text);
  assert(Array.isArray(groups), 'the latest values are a list of groups');
  const table: LatestValue[] = [];
  for (const group of groups as readonly StoredGroup[]) {
    assert(Array.isArray(group) && isJsonObject(group[2]), 'a group of latest values is a list with an object');
    const [tsMs, offset, values, orderMs = tsMs, large = []] = group;
    assert(Array.isArray(large), 'the values that were too large are a list');
    for (const name of Object.keys(values)) {
      const tooLarge = large.length > 0 && large.includes(name);
      table.push({ name, tsMs, orderMs, offset, value: values[name] as JsonValue, tooLarge });
    }
  }
  return table.sort((left, right) => byCodeUnits(left.name, right.name));
}

function isSamePoint(left: LatestValue, right: LatestValue): boolean {
  return left.offset === right.offset && left.tsMs === right.tsMs && left.orderMs === right.orderMs;
}

function pointOf({ offset, tsMs, orderMs }: LatestValue): string {
  return `${offset} ${tsMs} ${orderMs}`;
}

function groupText({ first: { tsMs, offset, orderMs }, values, tooLarge }: OpenGroup): string {
  const rest = orderMs === tsMs && tooLarge === '' ? '' : `,${orderMs},[${tooLarge}]`;
  return `[${tsMs},${offset},{${values}}${rest}]`;
}
