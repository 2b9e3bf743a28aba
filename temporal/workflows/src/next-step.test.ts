import type { DeviceId, Incarnation, TenantId } from '@breakwater/twin';
import type { CommandDocument, DeviceCommandInput } from '@breakwater/wire/command-workflow';
import { describe, expect, it } from '@jest/globals';

import { type CommandProgressLog, nextStep, VERDICT_GRACE_MS } from './next-step.ts';

const HOUR_MS = 3_600_000;
const INPUT: DeviceCommandInput = {
  version: 1,
  tenant: 'default' as TenantId,
  device: 'pump-1' as DeviceId,
  incarnation: 1 as Incarnation,
  commandId: 'c1',
  bodyDigest: 'b1',
  method: 'reboot',
  deadlineMs: HOUR_MS,
  retry: { attempts: 3, initialMs: 1_000, maxMs: 1_500 },
};
const NOTHING: CommandProgressLog = {
  startedAtMs: 0,
  document: null,
  heardAtMs: 0,
  orders: 0,
  resends: 0,
  questions: 0,
  askedAtMs: 0,
};

function heard(state: CommandDocument['state'], attempts: number): CommandProgressLog {
  const document = {
    commandId: 'c1',
    requestId: 1,
    method: 'reboot',
    orderedAtMs: 0,
    deadlineMs: HOUR_MS,
    state,
    transitions: [],
    attempts,
  };
  return { ...NOTHING, document, heardAtMs: 10_000 };
}

describe('the next step of a command', () => {
  it('is to order again, later each time, as long as the twin has said nothing', () => {
    expect(nextStep(INPUT, NOTHING)).toEqual({ kind: 'order', atMs: 5_000 });
    expect(nextStep(INPUT, { ...NOTHING, orders: 1 })).toEqual({ kind: 'order', atMs: 15_000 });
    expect(nextStep(INPUT, { ...NOTHING, orders: 2 })).toEqual({ kind: 'order', atMs: 35_000 });
    expect(nextStep(INPUT, { ...NOTHING, orders: 1_000 })).toEqual({ kind: 'ask', atMs: HOUR_MS + VERDICT_GRACE_MS });
  });

  it('is to wait for the verdict while the device is away', () => {
    expect(nextStep(INPUT, heard('QUEUED', 0))).toEqual({ kind: 'ask', atMs: HOUR_MS + VERDICT_GRACE_MS });
  });

  it('is to have it resent, with a back-off, up to the attempts that the caller allows', () => {
    expect(nextStep(INPUT, heard('SENT', 1))).toEqual({ kind: 'resend', atMs: 11_000 });
    expect(nextStep(INPUT, { ...heard('SENT', 2), resends: 1 })).toEqual({ kind: 'resend', atMs: 11_500 });
    expect(nextStep(INPUT, { ...heard('SENT', 3), resends: 2 }).kind).toBe('ask');
  });

  it('is never to resend what the device has acknowledged, nor anything after the deadline', () => {
    for (const state of ['DELIVERED', 'IN_PROGRESS'] as const)
      expect(nextStep(INPUT, heard(state, 1)).kind).toBe('ask');
    expect(nextStep({ ...INPUT, deadlineMs: 10_500 }, heard('SENT', 1)).kind).toBe('ask');
  });

  it('is to ask twice for the verdict, and then to give up', () => {
    const log = heard('DELIVERED', 1);
    const askedAtMs = HOUR_MS + VERDICT_GRACE_MS;
    const once = { ...log, questions: 1, askedAtMs };
    expect(nextStep(INPUT, once)).toEqual({ kind: 'ask', atMs: askedAtMs + VERDICT_GRACE_MS });
    const twice = { ...log, questions: 2, askedAtMs: askedAtMs + VERDICT_GRACE_MS };
    expect(nextStep(INPUT, twice)).toEqual({ kind: 'giveUp', atMs: HOUR_MS + 3 * VERDICT_GRACE_MS });
  });

  it('is to leave its twin the same time for the verdict when nobody ran it until long after the deadline', () => {
    const log = heard('DELIVERED', 1);
    const lateMs = 10 * HOUR_MS;
    expect(nextStep(INPUT, log).atMs).toBeLessThan(lateMs);
    const asked = { ...log, questions: 2, askedAtMs: lateMs };
    expect(nextStep(INPUT, asked)).toEqual({ kind: 'giveUp', atMs: lateMs + VERDICT_GRACE_MS });
  });
});
