import type { LogId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { INSERT_SETTINGS, type IngestPlan } from './ingest-plan.ts';
import { plansWithRows } from './plans-with-rows.ts';

const OLDEST_DAY = 100;

function plan(number: number, stored: number, day = OLDEST_DAY): IngestPlan {
  return {
    scope: 'telemetry',
    number,
    epoch: 1,
    owner: 'o',
    logId: 'l' as LogId,
    partitions: [
      { partition: 0, from: 0, to: 1, stored, nothingToStore: 3, dead: 4 },
      { partition: 1, from: 0, to: 1, stored: 1, nothingToStore: 0, dead: 0 },
    ],
    days: [{ day, lines: 1 }],
    records: 1,
    digest: '',
    tenants: [],
    tenantTotals: null,
    keptDeadLetters: {},
    settings: INSERT_SETTINGS,
    blockMark: 0,
  };
}

const shown = (plans: readonly IngestPlan[]) =>
  plansWithRows(plans, OLDEST_DAY).map((run) => run.map((each) => `${each.plan.number}:${each.stored}`));

describe('the plans that are compared with rows', () => {
  it('have the difference of two totals; the first of a later part only begins', () => {
    expect(shown([plan(7, 10), plan(8, 15), plan(9, 15)])).toEqual([['8:5', '9:0']]);
  });

  it('begin with the first plan of all', () => {
    expect(shown([plan(1, 10), plan(2, 12)])).toEqual([['1:11', '2:2']]);
  });

  it('are cut where a number is missing, and where rows are past their retention', () => {
    const old = plan(3, 30, OLDEST_DAY - 1);
    expect(shown([plan(1, 10), plan(2, 20), old, plan(4, 40), plan(6, 60), plan(7, 71)])).toEqual([
      ['1:11', '2:10'],
      ['4:10'],
      ['7:11'],
    ]);
  });

  it('leave out where a chain was retired and adopted: in between the partitions were of others', () => {
    const mark = (number: number, stored: number, digest: string): IngestPlan => ({
      ...plan(number, stored),
      ...{ records: 0, days: [], digest },
    });
    const chain = [plan(1, 10), mark(2, 10, 'retired'), mark(3, 50, 'adopted'), plan(4, 55)];
    expect(shown(chain)).toEqual([['1:11'], ['4:5']]);
    expect(shown([mark(1, 50, 'adopted'), plan(2, 55)])).toEqual([['2:5']]);
  });
});
