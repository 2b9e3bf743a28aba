import { describe, expect, it } from '@jest/globals';

import { AssertionFailed } from './assert.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from './ids.ts';
import { parseTwin, serializeTwin } from './state-text.ts';
import { isDeleted, newTwin, operationOutcome, type TwinState } from './twin-state.ts';

const EMPTY = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);
const value = { tsMs: 5, orderMs: 5, offset: 1 as Offset, value: 1, tooLarge: false };

function changed(text: string, change: (stored: Record<string, unknown>) => void): string {
  const stored = JSON.parse(text) as Record<string, unknown>;
  change(stored);
  return JSON.stringify(stored);
}

describe('the stored form of a twin', () => {
  it('refuses a version that this build does not know', () => {
    const newer = changed(serializeTwin(EMPTY), (stored) => (stored.v = 2));
    expect(() => parseTwin(newer)).toThrow(expect.objectContaining({ code: 'STATE_VERSION_UNKNOWN' }));
    expect(() => parseTwin('{}')).toThrow(expect.objectContaining({ code: 'STATE_VERSION_UNKNOWN' }));
    // A newer form may look like anything: its version is asked for before anything else.
    expect(() => parseTwin('{"v":2,"desired":null}')).toThrow(
      expect.objectContaining({ code: 'STATE_VERSION_UNKNOWN' }),
    );
  });

  it.each([
    ['a version below zero', { version: -1 }],
    ['a version without a change', { version: 3, changeNumber: 2 }],
    ['a reported version without a change', { reportedVersion: 3, changeNumber: 2 }],
    ['a section that is no object', { desired: [] }],
    ['a session epoch that is no count', { presence: { ...EMPTY.presence, sessionEpoch: 0.5 as SessionEpoch } }],
    ['a subscription without a session', { presence: { ...EMPTY.presence, desiredSubscribed: true } }],
    ['a connection without a time', { presence: { ...EMPTY.presence, connected: true } }],
    [
      'telemetry that is not sorted',
      {
        telemetry: [
          { ...value, name: 'b' },
          { ...value, name: 'a' },
        ],
      },
    ],
    [
      'telemetry with a key twice',
      {
        telemetry: [
          { ...value, name: 'a' },
          { ...value, name: 'a' },
        ],
      },
    ],
    ['telemetry from the future of its append', { telemetry: [{ ...value, name: 'a', orderMs: 6 }] }],
    ['more operations than are kept', { operations: Array.from({ length: 33 }, () => EMPTY) as unknown as [] }],
  ] as [string, Partial<TwinState>][])('does not write %s', (_what, wrong) => {
    expect(() => serializeTwin({ ...EMPTY, ...wrong })).toThrow(AssertionFailed);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a version below zero', { version: -1 }],
    ['a section that is no object', { reported: 3 }],
    ['no telemetry', { telemetry: undefined }],
    ['no presence', { presence: undefined }],
    ['no device', { device: undefined }],
    ['a document in a tombstone', { deletedAtMs: 5 }],
    ['neither a document nor a deletion', { desired: undefined }],
    [
      'telemetry twice',
      {
        telemetry: [
          ['a', 5, 1, 1],
          ['a', 5, 1, 1],
        ],
      },
    ],
    ['telemetry without a place', { telemetry: [['a', 5]] }],
  ])('does not read %s', (_what, wrong) => {
    const text = changed(serializeTwin(EMPTY), (stored) => Object.assign(stored, wrong));
    expect(() => parseTwin(text)).toThrow(AssertionFailed);
  });

  it('keeps little of a deleted twin', () => {
    const tombstone = { ...EMPTY, deletedAtMs: 7, version: 3, changeNumber: 9 };
    const text = serializeTwin(tombstone);
    expect(text.length).toBeLessThan(200);
    expect(parseTwin(text)).toEqual(tombstone);
    expect(isDeleted(parseTwin(text))).toBe(true);
    expect(isDeleted(EMPTY)).toBe(false);
  });

  it('tells the outcome of an operation', () => {
    const operations = [{ operationId: 'o', outcome: { kind: 'applied', version: 4 } as const }];
    const state = parseTwin(serializeTwin({ ...EMPTY, operations }));
    expect(operationOutcome(state, 'o')).toEqual({ kind: 'applied', version: 4 });
    expect(operationOutcome(state, 'constructor')).toBeNull();
  });
});
