import type { PointLine } from '@breakwater/wire';

const DAY_MS = 86_400_000;

/** What a line of several days is parsed for. */
interface MixedLine {
  readonly tenant: string;
  readonly device: string;
  readonly id: string;
  readonly ra: number;
  readonly p: readonly PointLine[];
}

/**
 * Cuts a record whose points lie on several days into one line per day. `x` carries the index of a point's first row
 * within the whole record, so that a row's identity does not depend on the cut.
 */
export function cutByDay(line: string): ReadonlyMap<number, string> {
  const { tenant, device, id, ra, p } = JSON.parse(line) as MixedLine;
  const pointsByDay = new Map<number, object[]>();
  let rowIndex = 0;
  for (const point of p) {
    const day = Math.floor(point.ts / DAY_MS);
    const points = pointsByDay.get(day) ?? [];
    points.push({ ...point, x: rowIndex });
    pointsByDay.set(day, points);
    rowIndex += rowsOf(point);
  }
  const lines = new Map<number, string>();
  for (const [day, points] of pointsByDay) {
    lines.set(day, JSON.stringify({ k: 'telemetry', tenant, device, id, ra, p: points }));
  }
  return lines;
}

function rowsOf(point: PointLine): number {
  return [point.n, point.b, point.s, point.j].reduce((rows, group) => rows + Object.keys(group ?? {}).length, 0);
}
