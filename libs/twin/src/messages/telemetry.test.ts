import { describe, expect, it } from '@jest/globals';

import { applyMessage } from '../apply-message.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from '../ids.ts';
import type { JsonValue } from '../json.ts';
import { newTwin, type TwinState } from '../twin-state.ts';

const EMPTY = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);

function send(state: TwinState, values: readonly (readonly [string, JsonValue])[], tsMs: number): TwinState {
  const at = { nowMs: 2_000, lane: 'telemetry', offset: tsMs as Offset, incarnation: 1 as Incarnation } as const;
  const message = { kind: 'telemetry', points: [{ tsMs, values: new Map(values) }] } as const;
  return applyMessage(state, message, { ...at, sessionEpoch: 1 as SessionEpoch }).state;
}

describe('telemetry', () => {
  it('shares with the state before it all that it did not change', () => {
    const before = send(
      EMPTY,
      [
        ['a', 1],
        ['b', 2],
      ],
      1_000,
    );
    const after = send(before, [['b', 3]], 1_001);
    expect(after.telemetry[0]).toBe(before.telemetry[0]);
    expect(after.telemetry[1]).toMatchObject({ name: 'b', value: 3 });
    expect(before.telemetry[1]).toMatchObject({ name: 'b', value: 2 });
    expect({ ...after, telemetry: before.telemetry }).toEqual(before);
  });

  it('has no negative zero, which would not survive a write', () => {
    expect(Object.is(send(EMPTY, [['a', -0]], 1_000).telemetry[0]?.value, 0)).toBe(true);
  });

  // The gateway refuses all of these. A record that came by another way must not stop its shard.
  it.each([
    ['a value that is no JSON', [['a', Infinity]], 1_000],
    ['a key that is too long', [['k'.repeat(65), 1]], 1_000],
    ['a time that is none', [['a', 1]], NaN],
    ['a time that is no whole number', [['a', 1]], 0.5],
  ] as [string, [string, JsonValue][], number][])('leaves out %s', (_what, values, tsMs) => {
    expect(send(EMPTY, values, tsMs)).toBe(EMPTY);
  });

  it('keeps the time of a value that is too large or too deep, so that an older one does not come back', () => {
    const before = send(
      EMPTY,
      [
        ['text', 'short'],
        ['tree', {}],
      ],
      1_000,
    );
    const tree = JSON.parse('['.repeat(9) + ']'.repeat(9)) as JsonValue;
    const after = send(
      before,
      [
        ['text', 'x'.repeat(2_000)],
        ['tree', tree],
      ],
      1_001,
    );
    expect(after.telemetry).toMatchObject([
      { name: 'text', tsMs: 1_001, value: null, tooLarge: true },
      { name: 'tree', tsMs: 1_001, value: null, tooLarge: true },
    ]);
    expect(send(after, [['text', 'late']], 1_000)).toBe(after);
  });
});
