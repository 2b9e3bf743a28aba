import { describe, expect, it } from '@jest/globals';
import type { DeliveryOutcome } from '@breakwater/mqtt-endpoint';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import type { DeviceSession } from '../session/device-session.ts';
import { CommandReports } from './command-reports.ts';

const DEVICE = {} as DeviceSession;
const COMMAND = { commandId: 'c1', requestId: 1, dispatch: 3, deadlineMs: 1_000_000 };
const START_MS = 1_000;

async function reportsOf(outcome: DeliveryOutcome, afterMs: number): Promise<unknown[]> {
  const clock = new VirtualClock(START_MS);
  const told: unknown[] = [];
  const reports = new CommandReports({ clock, record: (_device, { kind: _kind, ...report }) => told.push(report) });
  const sent = afterMs === 0 ? Promise.resolve(outcome) : clock.sleep(afterMs).then(() => outcome);
  const followed = reports.follow(DEVICE, COMMAND, sent);
  await clock.advance(afterMs + 1_000);
  await followed;
  return told;
}

const report = (outcome: string, rest: object = {}) => ({ commandId: 'c1', dispatch: 3, outcome, ...rest });
const SENT_AT = { sentAtMs: START_MS };

describe('what a twin is told of a dispatch', () => {
  it('is one word when the PUBACK comes at once', async () => {
    const delivered = { kind: 'delivered', reasonCode: 0x10 } as const;
    expect(await reportsOf(delivered, 10)).toEqual([report('delivered', { ...SENT_AT, reasonCode: 0x10 })]);
  });

  it('is that it was sent, and later that it was delivered', async () => {
    const delivered = { kind: 'delivered', reasonCode: 0 } as const;
    expect(await reportsOf(delivered, 5_000)).toEqual([
      report('sent', SENT_AT),
      report('delivered', { ...SENT_AT, reasonCode: 0 }),
    ]);
  });

  it.each(['offline', 'dropped', 'queueFull', 'tooLarge', 'expired'] as const)(
    'is that it never left: %s',
    async (reason) => {
      expect(await reportsOf({ kind: 'notDelivered', reason }, 0)).toEqual([report('notSent', SENT_AT)]);
    },
  );

  it.each(['sessionEnded', 'handedOver'] as const)('is that it may be there: %s', async (reason) => {
    expect(await reportsOf({ kind: 'notDelivered', reason }, 0)).toEqual([report('sent', SENT_AT)]);
  });

  it('stays that it was sent, whatever becomes of it without a PUBACK', async () => {
    expect(await reportsOf({ kind: 'notDelivered', reason: 'dropped' }, 5_000)).toEqual([report('sent', SENT_AT)]);
  });
});
