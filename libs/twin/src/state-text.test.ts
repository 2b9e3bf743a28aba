import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { AssertionFailed } from './assert.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from './ids.ts';
import { onlyTelemetryDiffers, parseTwin, serializeTelemetry, serializeTwin } from './state-text.ts';
import { isDeleted, newTwin, operationOutcome, type TwinState } from './twin-state.ts';

const EMPTY = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);
const value = { tsMs: 5, orderMs: 5, offset: 1 as Offset, value: 1, tooLarge: false };

/** The text with another first line. */
function changed(text: string, change: (stored: Record<string, unknown>) => void): string {
  const [document = '', ...rest] = text.split('\n');
  const stored = JSON.parse(document) as Record<string, unknown>;
  change(stored);
  return [JSON.stringify(stored), ...rest].join('\n');
}

describe('the stored form of a twin', () => {
  it('refuses a version that this build does not know', () => {
    const newer = changed(serializeTwin(EMPTY), (stored) => (stored.v = 3));
    expect(() => parseTwin(newer)).toThrow(expect.objectContaining({ code: 'STATE_VERSION_UNKNOWN' }));
    expect(() => parseTwin('{}')).toThrow(expect.objectContaining({ code: 'STATE_VERSION_UNKNOWN' }));
    // A newer form may look like anything: its version is asked for before anything else.
    expect(() => parseTwin('{"v":3,"desired":null}')).toThrow(
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
    ['no presence', { presence: undefined }],
    ['no device', { device: undefined }],
    ['a document in a tombstone', { deletedAtMs: 5 }],
    ['neither a document nor a deletion', { desired: undefined }],
  ])('does not read %s', (_what, wrong) => {
    const text = changed(serializeTwin(EMPTY), (stored) => Object.assign(stored, wrong));
    expect(() => parseTwin(text)).toThrow(AssertionFailed);
  });

  it.each<[string, string]>([
    ['no telemetry', 'null'],
    ['a group that is none', '[1]'],
    ['a group without its values', '[[5,1]]'],
    ['telemetry twice', '[[5,1,{"a":1}],[6,2,{"a":1}]]'],
    ['telemetry without a place', '[[5,null,{"a":1}]]'],
    ['telemetry from the future of its append', '[[5,1,{"a":1},6,[]]]'],
    ['a list of large values that is none', '[[5,1,{"a":1},5,1]]'],
  ])('does not read %s', (_what, telemetry) => {
    const [document = ''] = serializeTwin(EMPTY).split('\n');
    expect(() => parseTwin(`${document}\n${telemetry}`)).toThrow(AssertionFailed);
    expect(() => parseTwin(document)).toThrow(AssertionFailed);
  });

  it('reads what version 1 stored, and what was measured since then', () => {
    const [document = ''] = serializeTwin(EMPTY).split('\n');
    const version1 = changed(document, (stored) => {
      stored.v = 1;
      stored.telemetry = [
        ['a', 5, 1, 21.5],
        ['b', 9, 1, null, 8, 1],
      ];
    });
    const wanted = {
      ...EMPTY,
      telemetry: [
        { ...value, name: 'a', value: 21.5 },
        { name: 'b', tsMs: 9, orderMs: 8, offset: 1 as Offset, value: null, tooLarge: true },
      ],
    };
    expect(parseTwin(version1)).toEqual(wanted);
    const measured = { ...wanted, telemetry: [{ ...value, name: 'a', value: 22, offset: 2 as Offset }] };
    expect(onlyTelemetryDiffers(wanted, measured)).toBe(true);
    expect(parseTwin(`${version1}\n${serializeTelemetry(measured)}`)).toEqual(measured);
  });

  it('is made of its document and its telemetry', () => {
    const anyLatest = fc.record({
      name: fc.constantFrom('a', 'b', 'c', '1', '10', '__proto__', 'on'),
      tsMs: fc.integer({ min: 5, max: 7 }),
      late: fc.integer({ min: 0, max: 1 }),
      offset: fc.integer({ min: 0, max: 2 }).map((offset) => offset as Offset),
      value: fc.oneof(
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
        fc.string(),
      ),
      tooLarge: fc.boolean(),
    });
    const anyTable = fc.uniqueArray(anyLatest, { selector: ({ name }) => name, maxLength: 7 }).map((table) =>
      table
        .map(({ late, ...latest }) => ({
          ...latest,
          orderMs: latest.tsMs - late,
          value: latest.tooLarge ? null : latest.value,
        }))
        .sort((left, right) => (left.name < right.name ? -1 : 1)),
    );
    fc.assert(
      fc.property(anyTable, (telemetry) => {
        const state = { ...EMPTY, telemetry };
        const text = serializeTwin(state);
        expect(parseTwin(text)).toEqual(state);
        const [document = ''] = serializeTwin(EMPTY).split('\n');
        expect(text).toBe(`${document}\n${serializeTelemetry(state)}`);
      }),
    );
  });

  it('tells a change of the telemetry from all others', () => {
    const measured = { ...EMPTY, telemetry: [{ ...value, name: 'a' }] };
    expect(onlyTelemetryDiffers(EMPTY, measured)).toBe(true);
    for (const other of [{ changeNumber: 1 }, { timers: [] }, { reported: {} }, { presence: { ...EMPTY.presence } }]) {
      expect(onlyTelemetryDiffers(EMPTY, { ...measured, ...other })).toBe(false);
    }
    expect(onlyTelemetryDiffers({ ...EMPTY, deletedAtMs: 5 }, measured)).toBe(false);
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
