import { describe, expect, it } from '@jest/globals';

import type { TwinSummary } from '../../platform-client.ts';
import { FIRST_SEQ, valuesOfEvent } from '../load/event-values.ts';
import { auditTwins } from './twin-audit.ts';

const OUTCOME = { id: 'd-1', acknowledged: 5, sent: 5 };
const LAST = FIRST_SEQ + 4;

function clientWith(...twins: readonly TwinSummary[]) {
  return {
    async *twinPages() {
      yield* await Promise.resolve([twins]);
    },
  };
}

function twin(changes: Partial<TwinSummary> = {}): TwinSummary {
  return { deviceId: 'd-1', telemetry: valuesOfEvent(LAST), connected: true, ...changes };
}

describe('auditTwins', () => {
  it('finds nothing wrong with a twin of the last event', async () => {
    const audit = await auditTwins(clientWith(twin(), twin({ deviceId: 'other' })), [OUTCOME], true);
    expect(audit).toEqual({ twins: 1, wrongTwins: 0, falselyDisconnected: 0, examples: [] });
  });

  it.each([
    ['an older event', valuesOfEvent(LAST - 1)],
    ['an event that nobody sent', valuesOfEvent(LAST + 1)],
    ['no event', {}],
    ['one value of another event', { ...valuesOfEvent(LAST), t: 99 }],
    ['a value too few', { ...valuesOfEvent(LAST), on: undefined }],
  ])('sees a twin with %s', async (_, telemetry) => {
    const audit = await auditTwins(clientWith(twin({ telemetry })), [OUTCOME], true);
    expect(audit.wrongTwins).toBe(1);
    expect(audit.examples[0]).toContain('d-1');
  });

  it('lets a twin hold an event whose acknowledgement did not come any more', async () => {
    const audit = await auditTwins(
      clientWith(twin({ telemetry: valuesOfEvent(LAST + 1) })),
      [{ ...OUTCOME, sent: 6 }],
      true,
    );
    expect(audit.wrongTwins).toBe(0);
  });

  it('takes booleans for the numbers that they stand for, and a device without events for whole', async () => {
    const telemetry = { ...valuesOfEvent(LAST), on: valuesOfEvent(LAST)['on'] === 1 };
    expect((await auditTwins(clientWith(twin({ telemetry })), [OUTCOME], true)).wrongTwins).toBe(0);
    const silent = { id: 'd-1', acknowledged: 0, sent: 0 };
    expect((await auditTwins(clientWith(twin({ telemetry: {} })), [silent], true)).wrongTwins).toBe(0);
  });

  it('misses a twin that is not there, and sees one that is shown as disconnected', async () => {
    expect((await auditTwins(clientWith(), [OUTCOME], true)).wrongTwins).toBe(1);
    const audit = await auditTwins(clientWith(twin({ connected: false })), [OUTCOME], true);
    expect(audit.falselyDisconnected).toBe(1);
    expect((await auditTwins(clientWith(twin({ connected: false })), [OUTCOME], false)).falselyDisconnected).toBe(0);
  });
});
