import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { RecentIds } from './recent-ids.ts';

/** Few that are short, so that they come again; some of two bytes a unit, with halves of pairs among them. */
const anyId = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', '1000001', '1000002', '2000001', 'é', '\u0141', 'A\u0001') },
  { weight: 2, arbitrary: fc.string({ minLength: 1, maxLength: 128 }) },
  { weight: 2, arbitrary: fc.constantFrom('\ud800', '\ud801', '\ufffd', 'x'.repeat(128), '\u20ac'.repeat(42)) },
);
const anyStep = fc.oneof({ weight: 20, arbitrary: anyId }, { weight: 1, arbitrary: fc.constant(null) });

/** Ids that get longer, so that the ring has to grow when it has gone round already. */
const anyGrowth = fc.record({
  entriesMax: fc.integer({ min: 1, max: 8 }),
  lengths: fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 60 }).map((all) => all.sort((a, b) => a - b)),
});

describe('RecentIds', () => {
  it('knows the last ids exactly, as a list of texts would', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (steps, entriesMax) => {
        const ids = new RecentIds(entriesMax);
        let model: string[] = [];
        for (const id of steps) {
          if (id === null) {
            ids.clear();
            model = [];
            continue;
          }
          expect(ids.has(id)).toBe(model.includes(id));
          if (model.includes(id)) continue;
          ids.add(id);
          model = [...model, id].slice(-entriesMax);
          expect(ids.has(id)).toBe(true);
        }
        expect(ids.all()).toEqual(model);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps them in their order when they outgrow the ring', () => {
    fc.assert(
      fc.property(anyGrowth, ({ entriesMax, lengths }) => {
        const ids = new RecentIds(entriesMax);
        const added = lengths.map((length, index) => `${index}`.padEnd(length, '-'));
        for (const id of added) ids.add(id);
        expect(ids.all()).toEqual(added.slice(-entriesMax));
        expect(added.filter((id) => ids.has(id))).toEqual(added.slice(-entriesMax));
      }),
      { numRuns: 500 },
    );
  });
});
