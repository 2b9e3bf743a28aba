import { describe, expect, it } from '@jest/globals';
import type { DeviceKey } from '@breakwater/twin';
import fc from 'fast-check';

import { decodeOutboxEntry, encodeOutboxEntry, splitTimerMember, timerMember } from './commit-arguments.ts';

describe('what a commit stores', () => {
  it('gives an outbox entry back as it was, whatever its texts hold', () => {
    const kind = fc.constantFrom('downlink', 'change', 'deadLetter');
    fc.assert(
      fc.property(fc.string(), kind, fc.string({ unit: 'binary' }), fc.string(), (id, kindOf, key, payload) => {
        const entry = { id, kind: kindOf, key: key as DeviceKey, payload } as const;
        expect(decodeOutboxEntry(id, encodeOutboxEntry(entry))).toEqual(entry);
      }),
    );
  });

  it('gives the key and the id of a timer back, and never one member for two timers', () => {
    const timer = fc.tuple(fc.string(), fc.string());
    fc.assert(
      fc.property(timer, timer, (one, two) => {
        const member = timerMember(one[0] as DeviceKey, one[1]);
        expect(splitTimerMember(member)).toEqual({ key: one[0], timerId: one[1] });
        const same = one[0] === two[0] && one[1] === two[1];
        expect(timerMember(two[0] as DeviceKey, two[1]) === member).toBe(same);
      }),
    );
  });
});
