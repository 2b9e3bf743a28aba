import {
  INSERT_SETTINGS,
  type IngestPlan,
  type PlanPartition,
  type PlanTenant,
  rangeOfScope,
  WHOLE_LANE,
  type WriterChain,
} from '@breakwater/adapter-clickhouse';
import type { LogId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import {
  closedAsFarAsItCame,
  forgottenRanges,
  isUnrepeatable,
  settledChains,
  skippingPlan,
  SKIPPED,
} from './skip-forgotten.ts';

const LOG = 'log' as LogId;
const AUTHOR = { epoch: 9, owner: 'somebody', logId: LOG, blockMark: 4 };
const OWN = { stored: 6, nothingToStore: 3, dead: 1 };
const ALL = { stored: 60, nothingToStore: 30, dead: 10 };

/** Of two partitions: plan 7 took 10 records of each, of which there were 100. */
function planOf(scope = 'telemetry', to = 100): IngestPlan {
  const part = (partition: number): PlanPartition => ({ partition, from: 90, to, ...ALL });
  const own = (partition: number): PlanTenant => ({ partition, tenant: 'acme', ...OWN });
  return {
    ...{ scope, number: 7, epoch: 1, owner: 'writer', logId: LOG, digest: 'of lines', blockMark: 3, records: 20 },
    ...{ partitions: [part(0), part(1)], tenants: [own(0), own(1)], tenantTotals: null },
    ...{ days: [{ day: 20_000, lines: 20 }], keptDeadLetters: { 'acme/20000': 2 }, settings: INSERT_SETTINGS },
  };
}

function chainOf(closed: IngestPlan | null, open: IngestPlan | null = null): WriterChain {
  const scope = (closed ?? open)?.scope ?? 'telemetry';
  return { range: rangeOfScope(scope) ?? WHOLE_LANE, scope, epoch: 1, closed, open, writtenAtMs: 0 };
}

const firsts = (...offsets: readonly number[]) => new Map(offsets.entries());
const totalsOf = () => [0, 1].map((partition) => ({ partition, tenant: 'acme', ...ALL }));

describe('what the log has forgotten before it was stored', () => {
  it('is nothing while the log has everything from the positions on', () => {
    expect(forgottenRanges([chainOf(planOf())], LOG, firsts(100, 20))).toEqual([]);
    expect(forgottenRanges([chainOf(planOf())], 'another' as LogId, firsts(500, 500))).toEqual([]);
    expect(isUnrepeatable({ plan: planOf(), open: true }, firsts(90, 20))).toBe(false);
  });

  it('is skipped by a plan of a chain of its own, which counts on from where the partition stood', () => {
    const chain = chainOf(planOf());
    const ranges = forgottenRanges([chain], LOG, firsts(100, 250));
    expect(ranges).toEqual([{ part: planOf().partitions[1], chain, to: 250 }]);
    const skipped = { partition: 1, tenant: SKIPPED, stored: 0, nothingToStore: 150, dead: 0 };
    expect(skippingPlan(ranges, null, { ...AUTHOR, totalsOf })).toEqual({
      ...AUTHOR,
      ...{ scope: 'telemetry/0-of-999', number: 1, records: 0, digest: 'retired', days: [], keptDeadLetters: {} },
      ...{ settings: INSERT_SETTINGS, tenants: [skipped] },
      partitions: [{ partition: 1, from: 250, to: 250, stored: 60, nothingToStore: 180, dead: 10 }],
      tenantTotals: [{ partition: 1, tenant: 'acme', ...ALL }, skipped],
    });
  });

  it('is looked for behind the chain that came farthest, and adds to what was skipped before', () => {
    const ranges = forgottenRanges([chainOf(planOf())], LOG, firsts(0, 250));
    const first = skippingPlan(ranges, null, { ...AUTHOR, totalsOf });
    const chains = [chainOf(planOf()), chainOf(first)];
    expect(forgottenRanges(chains, LOG, firsts(0, 250))).toEqual([]);
    const more = forgottenRanges(chains, LOG, firsts(101, 251));
    expect(more.map(({ part, to }) => [part.partition, part.to, to])).toEqual([
      [0, 100, 101],
      [1, 250, 251],
    ]);
    const onlyOne = more.filter(({ part }) => part.partition === 0);
    const second = skippingPlan(onlyOne, first, { ...AUTHOR, totalsOf: () => null });
    expect(second).toMatchObject({ number: 2, partitions: [{ partition: 0, to: 101 }, first.partitions[0]] });
    for (const { partition, to: _to, from: _from, ...counts } of second.partitions) {
      const own = second.tenantTotals?.filter((each) => each.partition === partition) ?? [];
      const sum = (outcome: 'stored' | 'nothingToStore' | 'dead') => own.reduce((all, each) => all + each[outcome], 0);
      const sums = { stored: sum('stored'), nothingToStore: sum('nothingToStore'), dead: sum('dead') };
      expect(sums).toEqual({ stored: counts.stored, nothingToStore: counts.nothingToStore, dead: counts.dead });
    }
  });

  it('leaves alone an open plan that can be repeated, and closes one that cannot as far as it came', () => {
    const open = { ...planOf(), tenantTotals: planOf().tenants };
    expect(isUnrepeatable({ plan: open, open: true }, firsts(95, 0))).toBe(true);
    const closed = closedAsFarAsItCame({ plan: open, open: true }, new Map([0, 6].entries()));
    expect(closed).toMatchObject({ number: 7, digest: 'of lines' });
    expect(closed.partitions).toEqual([
      { partition: 0, from: 90, to: 90, stored: 54, nothingToStore: 27, dead: 9 },
      { partition: 1, from: 90, to: 100, ...ALL },
    ]);
    expect(closed.tenants).toEqual([{ partition: 1, tenant: 'acme', ...OWN }]);
    expect(closed.tenantTotals).toEqual([
      { partition: 0, tenant: 'acme', stored: 0, nothingToStore: 0, dead: 0 },
      { partition: 1, tenant: 'acme', ...OWN },
    ]);
    const chains = settledChains([chainOf(null, open)], new Map([['telemetry', closed]]));
    const ranges = forgottenRanges(chains, LOG, firsts(95, 0));
    expect(ranges.map(({ part, to }) => [part.partition, part.to, to])).toEqual([[0, 90, 95]]);
  });
});
