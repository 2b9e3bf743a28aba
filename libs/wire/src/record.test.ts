import { describe, expect, it } from '@jest/globals';
import type { DeviceId, Incarnation, JsonValue, SessionEpoch, TenantId } from '@breakwater/twin';
import fc from 'fast-check';

import { DAY_MIXED, decodeRecord, encodeRecord, peekLine, type RecordMessage, type WireRecord } from './record.ts';

const DAY_MS = 86_400_000;

function recordOf(message: RecordMessage, messageId = ''): WireRecord {
  return {
    tenant: 'default' as TenantId,
    device: 'pump-1' as DeviceId,
    incarnation: 1 as Incarnation,
    sessionEpoch: 3 as SessionEpoch,
    packetId: 5,
    digest: 99,
    messageId,
    receivedAtMs: 1_760_000_000_000,
    traceparent: '',
    message,
  };
}

function telemetry(points: readonly { tsMs: number; values: ReadonlyMap<string, JsonValue> }[]): RecordMessage {
  return { kind: 'telemetry', points };
}

const key = fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/);
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.integer()),
  fc.dictionary(fc.string(), fc.string()),
);
// A plain -0 is written as 0 in JSON; telemetry does not tell them apart.
const values = fc
  .array(fc.tuple(key, value))
  .map((entries) => new Map(entries.map(([name, item]) => [name, item === 0 ? 0 : (item as JsonValue)])));

describe('record line', () => {
  it('gives back every telemetry record, whatever its keys and values are called', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ tsMs: fc.integer({ min: 0, max: 4e12 }), values }), { maxLength: 4 }),
        (points) => {
          const record = recordOf(telemetry(points));
          const line = encodeRecord(record);
          expect(line).not.toContain('\n');
          const decoded = decodeRecord(line).message;
          expect(
            decoded.kind === 'telemetry' && decoded.points.map((point) => [point.tsMs, sorted(point.values)]),
          ).toEqual(points.map((point) => [point.tsMs, sorted(point.values)]));
        },
      ),
    );
  });

  it('gives back messages of the control lane with hostile ids and data', () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (messageId, patch) => {
        const message = { kind: 'reportState', patch: JSON.parse(JSON.stringify(patch)) } as RecordMessage;
        expect(decodeRecord(encodeRecord(recordOf(message, messageId)))).toEqual(recordOf(message, messageId));
      }),
    );
  });

  it('shows kind and day without parsing', () => {
    const line = encodeRecord(recordOf(telemetry([{ tsMs: 3 * DAY_MS + 1, values: new Map([['a', 1]]) }])));
    expect(peekLine(line.slice(0, 64))).toEqual({ kind: 'telemetry', day: 3 });
  });

  it('marks a record whose points lie on several days', () => {
    const points = [0, DAY_MS].map((tsMs) => ({ tsMs, values: new Map([['a', 1]]) }));
    expect(peekLine(encodeRecord(recordOf(telemetry(points)))).day).toBe(DAY_MIXED);
  });

  it('sorts the values of a point by type, so that each group is one ClickHouse map', () => {
    const point = {
      tsMs: 7,
      values: new Map<string, JsonValue>([
        ['n', 1.5],
        ['s', 'x'],
        ['b', true],
        ['j', [1]],
      ]),
    };
    expect(JSON.parse(encodeRecord(recordOf(telemetry([point]))))).toMatchObject({
      p: [{ ts: 7, n: { n: 1.5 }, s: { s: 'x' }, b: { b: true }, j: { j: '[1]' } }],
    });
  });

  it('refuses a version that it does not know', () => {
    const line = encodeRecord(recordOf({ kind: 'getTwin' })).replace('{"v":1', '{"v":2');
    expect(() => decodeRecord(line)).toThrow(expect.objectContaining({ code: 'RECORD_VERSION_UNKNOWN' }));
    expect(() => peekLine(line)).toThrow(expect.objectContaining({ code: 'RECORD_VERSION_UNKNOWN' }));
  });
});

function sorted(map: ReadonlyMap<string, JsonValue>): unknown {
  return [...map].sort(([left], [right]) => (left < right ? -1 : 1));
}
