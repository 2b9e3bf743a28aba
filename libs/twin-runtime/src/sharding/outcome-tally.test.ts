import type { DeviceKey } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { LANES } from '../ports/event-log.ts';
import { OTHER_TENANTS, OutcomeTally, TenantNames, UNREADABLE } from './outcome-tally.ts';

const key = (text: string) => text as DeviceKey;

describe('the tally of a batch', () => {
  it('counts each record once, by lane, and by lane and tenant', () => {
    const tally = new OutcomeTally(new TenantNames([], 10));
    tally.count('control', 'applied', key('acme/a'));
    tally.count('telemetry', 'applied', key('acme/a'));
    tally.count('telemetry', 'noop', key('acme2/a'));
    tally.count('telemetry', 'dead', null);
    tally.count('telemetry', 'dead', key('acme/b'));
    expect(tally.counts).toEqual({ control: { applied: 1 }, telemetry: { applied: 1, noop: 1, dead: 2 } });
    expect(tally.tenants).toEqual({
      control: { acme: { applied: 1 } },
      telemetry: { acme: { applied: 1, dead: 1 }, acme2: { noop: 1 }, [UNREADABLE]: { dead: 1 } },
    });
  });

  it('names so many tenants and no more, also when those of the owner before are told', () => {
    const names = new TenantNames(['b', OTHER_TENANTS, UNREADABLE], 2);
    expect(['a', 'b', 'c', 'a'].map((tenant) => names.nameOf(tenant))).toEqual(['a', 'b', OTHER_TENANTS, 'a']);
  });

  it('has the same sums by tenant, whatever comes', () => {
    const record = fc.record({
      lane: fc.constantFrom(...LANES),
      outcome: fc.constantFrom('applied', 'noop', 'dead', 'superseded'),
      key: fc.constantFrom(null, 'a/1', 'a/2', 'ab/1', 'b/1', 'c/1'),
    });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), fc.integer({ min: 0, max: 4 }), (records, max) => {
        const tally = new OutcomeTally(new TenantNames([], max));
        for (const each of records) tally.count(each.lane, each.outcome as 'applied', each.key as DeviceKey | null);
        for (const lane of LANES) {
          const sums: Record<string, number> = {};
          for (const counts of Object.values(tally.tenants[lane])) {
            for (const [outcome, count] of Object.entries(counts)) sums[outcome] = (sums[outcome] ?? 0) + count;
          }
          expect(sums).toEqual(tally.counts[lane]);
          expect(Object.keys(tally.tenants[lane]).length).toBeLessThanOrEqual(max + 2);
        }
      }),
    );
  });
});
