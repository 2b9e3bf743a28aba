import { INSERT_SETTINGS, type IngestPlan } from '@breakwater/adapter-clickhouse';
import type { LogId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { carriedOver, carriesWhole } from './carried-over.ts';

const [A, B, C] = ['a', 'b', 'c'] as LogId[] as [LogId, LogId, LogId];

const plan = (...ends: readonly number[]): IngestPlan => ({
  ...{ scope: 'telemetry', number: 3, epoch: 1, owner: 'o', logId: A, days: [], records: 1, digest: '', blockMark: 0 },
  ...{ tenants: [], tenantTotals: null, keptDeadLetters: {}, settings: INSERT_SETTINGS },
  partitions: ends.map((to, partition) => ({ partition, from: 0, to, stored: to, nothingToStore: 0, dead: 0 })),
});

describe('what a restored log has of a plan', () => {
  it('is what the plan stored, up to where the backup ends', () => {
    const carried = carriedOver(plan(5, 9), B, [{ logId: A, ends: [7, 4] }]);
    expect([...(carried ?? [])]).toEqual([
      [0, 5],
      [1, 4],
    ]);
    expect(carriesWhole(carried, plan(5, 9))).toBe(false);
    expect(carriesWhole(carriedOver(plan(5, 4), B, [{ logId: A, ends: [7, 4] }]), plan(5, 4))).toBe(true);
  });

  it('ends at the earliest backup of several', () => {
    const origins = [
      { logId: A, ends: [7] },
      { logId: B, ends: [3] },
    ];
    expect([...(carriedOver(plan(5), C, origins) ?? [])]).toEqual([[0, 3]]);
  });

  it('is nothing of the present log, and nothing of one that it never was', () => {
    expect(carriedOver(plan(5), A, [{ logId: A, ends: [7] }])).toBeNull();
    expect(carriedOver(plan(5), C, [{ logId: B, ends: [7] }])).toBeNull();
    expect(carriesWhole(null, plan(5))).toBe(false);
  });
});
