import type { PlanTenant } from '@breakwater/adapter-clickhouse';
import { OTHER_TENANTS, UNREADABLE } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import type { CutRange } from './cut/batch-cutter.ts';
import { TenantCounter } from './cut/tenant-counter.ts';
import { TenantTotals, totalsBeforeTenants } from './tenant-totals.ts';

const NAMES_MAX = 256;

function rangeOf(partition: number, lines: readonly string[]): CutRange {
  const source = Buffer.from(lines.join('\n'));
  const counter = new TenantCounter();
  let start = 0;
  for (const [offset, text] of lines.entries()) {
    const end = start + Buffer.byteLength(text);
    counter.count({ place: Buffer.alloc(0), source, offset, start, end }, offset % 3 === 0 ? 'dead' : 'stored');
    start = end + 1;
  }
  const counts = { stored: 0, nothingToStore: 0, dead: 0 };
  return { partition, from: 0, to: lines.length, counts, tenants: counter.counts, unknownRecord: null };
}

const line = (tenant: string, kind = 'telemetry') => `{"v":1,"k":"${kind}","day":20000,"tenant":"${tenant}","x":"ü"}`;
const shown = (tenants: readonly PlanTenant[]) =>
  tenants.map(({ partition, tenant, stored, dead }) => [partition, tenant, stored, dead]);

describe('the writer counts by tenant', () => {
  it('each record once, whoever came before it', () => {
    const lines = [line('a'), line('ab'), line('a'), line('a', 'event'), line('ab'), 'no record', line('a')];
    expect(shown(new TenantTotals([]).ofRanges([rangeOf(2, lines)]))).toEqual([
      [2, 'a', 1, 3],
      [2, 'ab', 2, 0],
      [2, UNREADABLE, 1, 0],
    ]);
  });

  it('since the log began, by names that are bounded over all lives of a writer', () => {
    const names = Array.from({ length: NAMES_MAX }, (_, at) => line(`tenant-${at}`));
    const first = new TenantTotals([]);
    first.add(first.ofRanges([rangeOf(0, names)]));
    const second = new TenantTotals(first.with([]));
    const delta = second.ofRanges([
      rangeOf(0, [line('late'), line('tenant-1'), line('later')]),
      rangeOf(1, [line('late')]),
    ]);
    expect(shown(delta)).toEqual([
      [0, OTHER_TENANTS, 1, 1],
      [0, 'tenant-1', 1, 0],
      [1, 'late', 0, 1],
    ]);
    expect(shown(second.with(delta)).find(([, tenant]) => tenant === 'tenant-1')).toEqual([0, 'tenant-1', 2, 0]);
  });

  it('and what an older build counted stays in the sums', () => {
    const partitions = [
      { partition: 0, from: 0, to: 9, stored: 5, nothingToStore: 3, dead: 1 },
      { partition: 1, from: 0, to: 0, stored: 0, nothingToStore: 0, dead: 0 },
    ];
    const totals = new TenantTotals(totalsBeforeTenants(partitions));
    totals.add(totals.ofRanges([rangeOf(0, [line('a')])]));
    expect(shown(totals.with([]))).toEqual([
      [0, '(before)', 5, 1],
      [0, 'a', 0, 1],
    ]);
  });
});
