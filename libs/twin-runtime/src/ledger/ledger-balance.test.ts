import type { LogId } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { type ConsumerReading, imbalancesOf, tenantDifferences } from './ledger-balance.ts';
import { LastingImbalances } from './lasting-imbalances.ts';

const LOG = 'log-1' as LogId;
const GOOD: ConsumerReading = {
  consumer: 'twins',
  lane: 'telemetry',
  partition: 3,
  position: 10,
  began: 0,
  logId: LOG,
  outcomes: { applied: 8, noop: 2 },
  tenants: { acme: { applied: 8 }, '(others)': { noop: 2 } },
};
const IN_LOG = { logId: LOG, firstBefore: 4, endAfter: 12 };
const found = (reading: Partial<ConsumerReading>, log: Partial<typeof IN_LOG> = {}) =>
  imbalancesOf({ ...GOOD, ...reading }, { ...IN_LOG, ...log }).map(({ kind, records }) => [kind, records]);

describe('a reading of the ledger', () => {
  it('is in balance while outcomes and what is in flight make up what was appended', () => {
    expect(found({})).toEqual([]);
    expect(found({ began: 5, position: 15, outcomes: { stored: 10 }, tenants: null }, { endAfter: 15 })).toEqual([]);
    expect(found({ position: 0, outcomes: {}, tenants: {}, logId: null }, { firstBefore: 0 })).toEqual([]);
  });

  it.each([
    ['an outcome is missing', { outcomes: { applied: 7, noop: 2 }, tenants: null }, {}, [['outcomes', -1]]],
    ['a record was counted twice', { outcomes: { applied: 9, noop: 2 }, tenants: null }, {}, [['outcomes', 1]]],
    ['a tenant has one too few', { tenants: { acme: { applied: 9 } } }, {}, [['tenants', -1]]],
    ['the log forgot what was not taken', {}, { firstBefore: 13, endAfter: 20 }, [['trimmed', -3]]],
    ['the log lost its end', {}, { endAfter: 8 }, [['ahead', 2]]],
    ['the log is another one', {}, { logId: 'log-2' as LogId, endAfter: 3 }, [['otherLog', 10]]],
  ])('is not when %s', (_what, reading, log, expected) => {
    expect(found(reading, log)).toEqual(expected);
  });

  it('compares the tenants of two consumers at the same offset only', () => {
    const writer: ConsumerReading = { ...GOOD, consumer: 'writer', tenants: { acme: { stored: 7 }, b: { stored: 3 } } };
    const twins = { ...GOOD, tenants: { acme: { applied: 8 }, b: { noop: 2 } } };
    expect(tenantDifferences(twins, { ...writer, position: 11 })).toEqual([]);
    expect(tenantDifferences(twins, writer)).toMatchObject([
      { kind: 'consumers', tenant: 'acme', records: 1 },
      { kind: 'consumers', tenant: 'b', records: -1 },
    ]);
    // Which tenants have a name depends on who came first: where some have none, nothing can be said.
    expect(tenantDifferences(GOOD, writer)).toEqual([]);
  });
});

describe('an imbalance', () => {
  it('lasts from the third check on that finds it, since the first, and is over with the first that does not', () => {
    const lasting = new LastingImbalances(3);
    const [imbalance] = imbalancesOf({ ...GOOD, outcomes: {} }, IN_LOG);
    for (const [at, count] of [
      [1_000, 0],
      [2_000, 0],
      [3_000, 1],
    ] as const) {
      lasting.note([imbalance!], at);
      expect(lasting.lasting).toHaveLength(count);
    }
    expect(lasting.lasting).toMatchObject([{ kind: 'outcomes', sinceMs: 1_000 }]);
    lasting.note([], 4_000);
    lasting.note([imbalance!], 5_000);
    expect(lasting.lasting).toEqual([]);
  });
});
