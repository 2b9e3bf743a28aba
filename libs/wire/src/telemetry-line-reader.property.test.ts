import { describe, expect, it } from '@jest/globals';
import type { DeviceId, Incarnation, JsonValue, SessionEpoch, TenantId } from '@breakwater/twin';
import fc from 'fast-check';

import { decodeRecord, encodeRecord, keyOfRecord } from './record.ts';
import { TelemetryLineReader } from './telemetry-line-reader.ts';

const anyName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', '1', '10', 'on', '__proto__') },
  { weight: 1, arbitrary: fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/) },
);
const anyNumber = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, 1e21, 1e-7, 0.1 + 0.2, 123_456_789_012_345, 1_234_567_890_123_456, 0.123_456_789_012_345),
  fc.integer({ min: -99_999, max: 99_999 }).map((hundredths) => hundredths / 100),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
);
const anyText = fc.oneof(fc.string({ maxLength: 8 }), fc.string({ unit: 'binary', maxLength: 4 }));
const anyValue: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 8, arbitrary: anyNumber },
  { weight: 3, arbitrary: anyText },
  { weight: 3, arbitrary: fc.boolean() },
  { weight: 1, arbitrary: fc.constantFrom<JsonValue>(null, [], { a: 1 }) },
);
const anyPoint = fc
  .record({
    tsMs: fc.integer({ min: 0, max: 4e12 }),
    values: fc.array(fc.tuple(anyName, anyValue), { maxLength: 6 }).map((entries) => new Map(entries)),
    marked: fc.boolean(),
  })
  .map(({ tsMs, values, marked }) => ({ tsMs, values, ...(marked ? { marked: true as const } : {}) }));
const anyLine = fc
  .record({
    points: fc.array(anyPoint, { minLength: 0, maxLength: 3 }),
    device: fc.stringMatching(/^[A-Za-z0-9_.:-]{1,12}$/),
    messageId: anyText,
    epoch: fc.nat(),
  })
  .map(({ points, device, messageId, epoch }) =>
    encodeRecord({
      tenant: 'default' as TenantId,
      device: device as DeviceId,
      incarnation: 2 as Incarnation,
      sessionEpoch: epoch as SessionEpoch,
      packetId: 7,
      digest: 4_294_967_295,
      messageId,
      receivedAtMs: 1_760_000_000_000,
      traceparent: '',
      message: { kind: 'telemetry', points },
    }),
  );

/** What both readers make of a line, in one form; null where one makes nothing of it. */
function quick(reader: TelemetryLineReader, line: string): unknown {
  const read = reader.read(line);
  if (read === null) return null;
  const { points, ...rest } = read;
  return { ...rest, points: points.map(({ values, ...point }) => ({ ...point, values: sorted(values) })) };
}

function slow(line: string): unknown {
  const record = decodeRecord(line);
  if (record.message.kind !== 'telemetry') return null;
  const { incarnation, sessionEpoch, message } = record;
  const points = message.points.map(({ values, ...point }) => ({ ...point, values: sorted(values) }));
  return { key: keyOfRecord(record), incarnation, sessionEpoch, points };
}

function sorted(values: ReadonlyMap<string, JsonValue>): unknown {
  return [...values].sort(([left], [right]) => (left < right ? -1 : 1));
}

describe('TelemetryLineReader', () => {
  it('reads what decodeRecord reads, whatever it has learned before', () => {
    const reader = new TelemetryLineReader();
    let read = 0;
    fc.assert(
      fc.property(anyLine, (line) => {
        const found = quick(reader, line);
        if (found === null) return;
        read++;
        expect(found).toEqual(slow(line));
      }),
      { numRuns: 2_000 },
    );
    expect(read).toBeGreaterThan(200);
  });

  it('makes nothing of a broken line that decodeRecord would make something else of', () => {
    const reader = new TelemetryLineReader();
    const anyUnit = fc.constantFrom(...'{}[]",:\\-+.0123456789eE nsbmpt\u0000\t'.split(''));
    const broken = fc.tuple(anyLine, fc.nat(), anyUnit, fc.constantFrom('replace', 'insert', 'remove'));
    fc.assert(
      fc.property(broken, ([line, place, unit, how]) => {
        const at = place % line.length;
        const head = line.slice(0, at);
        const text =
          how === 'insert' ? head + unit + line.slice(at) : head + (how === 'replace' ? unit : '') + line.slice(at + 1);
        const found = quick(reader, text);
        if (found !== null) expect(found).toEqual(slow(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it('reads the usual line itself, and still does after more names than it remembers', () => {
    const reader = new TelemetryLineReader();
    const lineOf = (name: string): string =>
      `{"v":1,"k":"telemetry","day":20414,"tenant":"default","device":"d","inc":1,"se":1,"pid":1,"dg":1,"id":"1",` +
      `"ra":5,"tp":"","p":[{"ts":5,"n":{"${name}":21.5,"h":4},"s":{"x":"on"},"b":{"y":true}}]}`;
    for (let number = 0; number < 12_000; number++) expect(reader.read(lineOf(`k${number}`))).not.toBeNull();
    expect(quick(reader, lineOf('t'))).toEqual(slow(lineOf('t')));
    expect(reader.read(lineOf('h'))).toBeNull();
  });
});
