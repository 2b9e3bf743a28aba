import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { anyPoint } from '../test/arbitraries.ts';
import { applyMessage } from './apply-message.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from './ids.ts';
import { TWIN_LIMITS } from './limits.ts';
import { serializeTwin } from './state-text.ts';
import type { TelemetryPoint } from './twin-message.ts';
import { newTwin, type TwinState } from './twin-state.ts';

interface TelemetryRecord {
  readonly points: readonly TelemetryPoint[];
  readonly nowMs: number;
  readonly offset: number;
}

const START = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);

function apply(state: TwinState, { points, nowMs, offset }: TelemetryRecord): TwinState {
  const incarnation = 1 as Incarnation;
  const context = { nowMs, lane: 'telemetry', offset: offset as Offset, incarnation, sessionEpoch: 1 as SessionEpoch };
  return applyMessage(state, { kind: 'telemetry', points }, { ...context, lane: 'telemetry' }).state;
}

const anyRecords = fc
  .array(fc.record({ points: fc.array(anyPoint, { maxLength: 3 }), nowMs: fc.integer({ min: 995, max: 1_005 }) }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((records): TelemetryRecord[] => records.map((record, offset) => ({ ...record, offset })));

/** Many more keys than a twin keeps, with times that often tie. */
const anyFlood = fc
  .array(
    fc.record({
      from: fc.nat({ max: 900 }),
      count: fc.integer({ min: 1, max: 400 }),
      tsMs: fc.integer({ min: 990, max: 996 }),
    }),
    { minLength: 2, maxLength: 8 },
  )
  .map((floods) =>
    floods.map(({ from, count, tsMs }, offset): TelemetryRecord => {
      const values = new Map(Array.from({ length: count }, (_, index) => [`k${from + index}`, offset]));
      return { points: [{ tsMs, values }], nowMs: 1_000, offset };
    }),
  );

function shuffled<T>(records: fc.Arbitrary<T[]>): fc.Arbitrary<readonly [T[], T[]]> {
  return records.chain((inOrder) =>
    fc
      .tuple(
        fc.shuffledSubarray(inOrder, { minLength: inOrder.length }),
        fc.shuffledSubarray(inOrder),
        fc.shuffledSubarray(inOrder),
      )
      .map(([all, some, more]) => [inOrder, [...some, ...all, ...more]] as const),
  );
}

describe('the latest telemetry', () => {
  it('is the same whatever order the records come in, and however often', () => {
    fc.assert(
      fc.property(shuffled(anyRecords), ([inOrder, disorder]) => {
        expect(serializeTwin(disorder.reduce(apply, START))).toBe(serializeTwin(inOrder.reduce(apply, START)));
      }),
      { numRuns: 500 },
    );
  });

  it('is the same for more keys than are kept', () => {
    fc.assert(
      fc.property(shuffled(anyFlood), ([inOrder, disorder]) => {
        const state = inOrder.reduce(apply, START);
        expect(state.telemetry.length).toBeLessThanOrEqual(TWIN_LIMITS.telemetryKeysMax);
        expect(serializeTwin(disorder.reduce(apply, START))).toBe(serializeTwin(state));
      }),
      { numRuns: 100 },
    );
  });

  it('is not stored again for a record that came before', () => {
    fc.assert(
      fc.property(anyRecords, (records) => {
        const state = records.reduce(apply, START);
        for (const record of records) expect(apply(state, record)).toBe(state);
      }),
      { numRuns: 300 },
    );
  });
});
