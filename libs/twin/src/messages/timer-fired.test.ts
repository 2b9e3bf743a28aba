import { describe, expect, it } from '@jest/globals';

import { applyMessage } from '../apply-message.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from '../ids.ts';
import { newTwin } from '../twin-state.ts';

describe('a timer that fires', () => {
  const empty = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);
  const kept = { timerId: 'kept', generation: 1 };
  const state = { ...empty, timers: [kept, { timerId: 'resend', generation: 2 }] };
  const at = { nowMs: 1_000, lane: 'control', offset: 1 as Offset, incarnation: 1 as Incarnation } as const;
  const context = { ...at, sessionEpoch: 0 as SessionEpoch };

  it.each([
    ['is unknown', 'other', 2],
    ['was set again since', 'resend', 1],
    ['is from a state that was rolled back', 'resend', 3],
  ])('is void when it %s', (_why, timerId, generation) => {
    expect(applyMessage(state, { kind: 'timerFired', timerId, generation }, context)).toEqual({
      state,
      effects: [],
      outcome: 'noop',
    });
  });

  it('is no longer armed afterwards', () => {
    const applied = applyMessage(state, { kind: 'timerFired', timerId: 'resend', generation: 2 }, context);
    expect(applied.state.timers).toEqual([kept]);
    expect(applied.effects).toEqual([{ kind: 'timerCleared', timerId: 'resend' }]);
    expect(applied.outcome).toBe('applied');
  });
});
