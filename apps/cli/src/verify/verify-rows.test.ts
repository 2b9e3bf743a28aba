import { INSERT_SETTINGS, type IngestPlan, type OffsetRange } from '@breakwater/adapter-clickhouse';
import type { LogId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { type RowCounts, verifyRows } from './verify-rows.ts';

const LOG = 'log' as LogId;

/** Plans of one partition, each of some records, of which only those with an odd offset need no rows. */
function plansOf(sizes: readonly number[]): readonly IngestPlan[] {
  let to = 0;
  return sizes.map((size, index) => {
    const from = to;
    to += size;
    const stored = Math.ceil(to / 2);
    return {
      ...{
        scope: 'telemetry',
        number: index + 1,
        epoch: 1,
        owner: 'o',
        logId: LOG,
        days: [],
        records: size,
        digest: '',
        blockMark: 0,
      },
      ...{ tenants: [], tenantTotals: null, keptDeadLetters: {}, settings: INSERT_SETTINGS },
      partitions: [{ partition: 0, from, to, stored, nothingToStore: to - stored, dead: 0 }],
    };
  });
}

/** What a table would answer that holds these offsets, some of them twice. */
function tableOf(plans: readonly IngestPlan[], offsets: readonly number[]): RowCounts {
  const within = ({ from, to }: OffsetRange) => offsets.filter((offset) => offset >= from && offset < to);
  return {
    scopes: async () => ['telemetry'],
    spacedPlans: async () => ({
      plans: plans.filter((_, index) => index % 3 === 0 || index === plans.length - 1),
      firstHasRows: true,
    }),
    plansBetween: async (_log, after, upTo) => plans.filter(({ number }) => number > after && number <= upTo),
    countRange: async (range) => {
      const found = within(range);
      return { records: new Set(found).size, repeatedRows: found.length - new Set(found).size };
    },
    offsetsWithoutRows: async (range, limit) => {
      const present = new Set(within(range));
      const all = Array.from({ length: range.to - range.from }, (_, at) => range.from + at);
      return all.filter((offset) => !present.has(offset)).slice(0, limit);
    },
    repeatedRows: async (range) =>
      [...new Set(within(range))]
        .map((offset) => ({ offset, rowIndex: 0, copies: within(range).filter((each) => each === offset).length }))
        .filter(({ copies }) => copies > 1),
  };
}

const due = async (_range: OffsetRange, offsets: readonly number[]) => offsets.filter((offset) => offset % 2 === 0);
const sizes = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 12 });

function goodOffsets(plans: readonly IngestPlan[]): number[] {
  const end = plans.at(-1)?.partitions[0]?.to ?? 0;
  return Array.from({ length: Math.ceil(end / 2) }, (_, at) => 2 * at);
}

describe('the comparison of rows with plans', () => {
  it('finds nothing where nothing is wrong', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async (all) => {
        const plans = plansOf(all);
        const parts = { audit: tableOf(plans, goodOffsets(plans)), logId: LOG, mustHaveRows: due };
        expect((await verifyRows(parts)).findings).toEqual([]);
      }),
    );
  });

  it('names each missing offset and each repeated one, in the plan that it is of', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.nat(), async (all, missingAt, repeatedAt) => {
        const plans = plansOf([...all, 4]);
        const offsets = goodOffsets(plans);
        const missing = offsets[missingAt % offsets.length] as number;
        const left = offsets.filter((offset) => offset !== missing);
        const repeated = left[repeatedAt % left.length];
        const stored = repeated === undefined ? left : [...left, repeated];
        const parts = { audit: tableOf(plans, stored), logId: LOG, mustHaveRows: due };
        const { findings } = await verifyRows(parts);
        const [ofMissing, ...more] = findings.filter(({ kind }) => kind === 'rowsMissing');
        expect(more).toEqual([]);
        expect(ofMissing?.detail).toMatch(new RegExp(`1 records have no rows: offset ${missing}$`));
        const plan = plans.find(({ partitions: [part] }) => missing >= part!.from && missing < part!.to);
        expect(ofMissing?.detail).toContain(`plan ${plan?.number} `);
        const doubled = findings.filter(({ kind }) => kind === 'rowsRepeated').map(({ detail }) => detail);
        expect(doubled).toEqual(
          repeated === undefined ? [] : [expect.stringContaining(`offset ${repeated} row 0 (2 times)`)],
        );
      }),
    );
  });

  it('names the plan and the candidates when the log has forgotten the records', async () => {
    const plans = plansOf([4, 4]);
    const audit = tableOf(plans, [0, 2, 6]);
    const { findings } = await verifyRows({ audit, logId: LOG, mustHaveRows: async () => null });
    expect(findings).toHaveLength(1);
    expect(findings[0]?.detail).toMatch(
      /plan 2 \(offsets 4 to 7\): 1 records have no rows: of offset 4, offset 5, offset 7/,
    );
  });

  it('says so when nothing can be compared yet', async () => {
    const audit = tableOf([], []);
    expect((await verifyRows({ audit, logId: LOG, mustHaveRows: due })).compared).toMatch(/no plan/);
  });
});
