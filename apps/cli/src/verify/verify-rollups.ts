import type { RollupDifference, StoredAudit } from '@breakwater/adapter-clickhouse';

import { NAMED_MAX, type PartResult } from './finding.ts';

export interface RollupParts {
  readonly audit: Pick<StoredAudit, 'days' | 'rollupDifferences'>;
  readonly pause: () => Promise<void>;
}

/** A difference that is being written is another one at the next look. */
const LOOKS = 3;
const GAP_TOLERANCE = 1e-9;

/**
 * Compares raw rows with both rollups, by day, device and key: how many, and their sum. While telemetry is written a
 * look may see raw rows before their rollups; what stays the same over three looks is no such thing.
 */
export async function verifyRollups({ audit, pause }: RollupParts): Promise<PartResult> {
  const days = await audit.days();
  const lasting: RollupDifference[] = [];
  for (const day of days) {
    let found = await audit.rollupDifferences(day, NAMED_MAX);
    for (let look = 1; look < LOOKS && found.length > 0; look += 1) {
      await pause();
      const again = await audit.rollupDifferences(day, NAMED_MAX);
      found = again.filter((one) => found.some((other) => isSameGap(one, other)));
    }
    lasting.push(...found);
  }
  return {
    part: 'rollups',
    compared: `${days.length} days of raw rows with the rollups of a minute and an hour`,
    findings: lasting.map((difference) => ({ part: 'rollups', kind: 'rollupDiffers', detail: textOf(difference) })),
    skipped: [],
  };
}

/** What is written meanwhile moves both sides, and not the gap between them. */
function isSameGap(one: RollupDifference, other: RollupDifference): boolean {
  const gap = (each: RollupDifference): number => each.rawCount - each.rollupCount;
  const sumGap = (each: RollupDifference): number => each.rawSum - each.rollupSum;
  const isSameLine = (['table', 'day', 'tenant', 'device', 'key'] as const).every((name) => one[name] === other[name]);
  const size = Math.max(1, Math.abs(one.rawSum), Math.abs(other.rawSum));
  return isSameLine && gap(one) === gap(other) && Math.abs(sumGap(one) - sumGap(other)) <= GAP_TOLERANCE * size;
}

function textOf(difference: RollupDifference): string {
  const { table, day, tenant, device, key, rawCount, rollupCount, rawSum, rollupSum } = difference;
  return (
    `${table}, ${day}, ${tenant}/${device}, key ${key}: ${rawCount} raw values with the sum ${rawSum}, ` +
    `rolled up as ${rollupCount} with the sum ${rollupSum}`
  );
}
