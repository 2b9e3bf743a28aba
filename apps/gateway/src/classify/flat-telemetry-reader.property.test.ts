import { describe, expect, it } from '@jest/globals';
import type { DeviceId, Incarnation, SessionEpoch, TenantId } from '@breakwater/twin';
import { encodeRecord, telemetryLineHead, TelemetryLineWriter } from '@breakwater/wire';
import fc from 'fast-check';

import { classify } from './classify.ts';
import { FlatTelemetryReader } from './flat-telemetry-reader.ts';

const NOW_MS = 1_760_000_000_123;
const DAY_MS = 86_400_000;
const DEVICE = 'pump-1' as DeviceId;
const SENDER = {
  tenant: 'default' as TenantId,
  device: DEVICE,
  incarnation: 2 as Incarnation,
  sessionEpoch: 7 as SessionEpoch,
};
const HEADER = { packetId: 65_535, digest: 4_294_967_295, receivedAtMs: NOW_MS };

const reader = new FlatTelemetryReader();
const writer = new TelemetryLineWriter();

/** By the short way; null when it leaves the message to the other one. */
function shortLine(text: string): string | null {
  const point = reader.read(Buffer.from(text), NOW_MS);
  if (point === null) return null;
  const head = telemetryLineHead(Math.floor(point.tsMs / DAY_MS), SENDER);
  return Buffer.from(writer.write(head, HEADER, point)).toString();
}

/** By the way that every message can take; null for a dead letter. */
function fullLine(text: string): string | null {
  const incoming = {
    topic: 'v1/devices/me/telemetry',
    payload: Buffer.from(text),
    contentType: null,
    userProperties: [],
  };
  const classified = classify(incoming, { device: DEVICE, payloadFormat: 'auto' }, NOW_MS);
  if (classified.kind === 'dead') return null;
  const { message, messageId } = classified;
  return encodeRecord({ ...SENDER, ...HEADER, messageId, traceparent: '', message });
}

function agree(text: string): void {
  const short = shortLine(text);
  if (short !== null) expect(short).toBe(fullLine(text));
}

const digits = fc.stringMatching(/^[0-9]{1,17}$/);
const number = fc
  .tuple(fc.constantFrom('', '-'), digits, fc.constantFrom('', '.'), digits, fc.constantFrom('', '', '', 'e3', 'E-9'))
  .map(([sign, whole, point, fraction, exponent]) => `${sign}${whole}${point === '' ? '' : `.${fraction}`}${exponent}`);
const shortNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toFixed(7)),
  fc.integer().map(String),
  fc.constantFrom('0', '-0', '0.0', '-0.00', '0.000001', '0.0000001', '-0.00000010', '1.50', '100', '999999999999999'),
);
const scalar = fc.oneof(
  shortNumber,
  number,
  fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.string({ unit: 'binary', maxLength: 4 }).map((text) => JSON.stringify(text)),
  fc.constantFrom('true', 'false', 'null', 'tru', '[1]', '{}', '{"a":1}', '"\\u0041"', '"\\ud800"', '"a'),
);
const key = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('t', 'h', 'v', 'on', 'seq', 'a.b-c_D') },
  { weight: 1, arbitrary: fc.constantFrom('ts', 'id', 'values', 'metadata', '__proto__', '1', '01', '-1', '', 'a b') },
  { weight: 1, arbitrary: fc.string({ maxLength: 70 }) },
);
const space = fc.constantFrom('', '', '', ' ', '\n\t');
const object = fc
  .array(fc.tuple(key, scalar, space), { maxLength: 8 })
  .map((members) => `{${members.map(([name, value, gap]) => `${JSON.stringify(name)}:${gap}${value}`).join(',')}}`);
const ts = fc.oneof(
  fc.integer({ min: NOW_MS - 10 * 365 * DAY_MS, max: NOW_MS + DAY_MS }).map(String),
  fc.constantFrom(String(NOW_MS), `${NOW_MS}.0`, `${NOW_MS}.5`, '1.76e12', '0', '-1', `"${NOW_MS}"`),
);
const timed = fc
  .tuple(ts, fc.option(scalar), object, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 2 }), scalar)
  .map(([time, id, values, order, other]) => {
    const parts = [`"ts":${time}`, `"values":${values}`, `"id":${id ?? '"m-1"'}`, `"other":${other}`];
    return `{${order.map((index) => parts[index]).join(', ')}}`;
  });

describe('telemetry that is read in one pass', () => {
  it('becomes the line that the general way makes of it', () => {
    fc.assert(fc.property(fc.oneof(object, timed), agree), { numRuns: 5_000 });
  });

  it('becomes it whatever bytes are changed, cut off or put behind', () => {
    const change = fc.record({
      at: fc.nat(),
      to: fc.constantFrom(...'0123456789.-eE{}[]:," \\truefalsn\u0000ü'.split('')),
    });
    fc.assert(
      fc.property(fc.oneof(object, timed), fc.array(change, { maxLength: 3 }), fc.nat(200), (text, changes, length) => {
        const characters = text.slice(0, length).split('');
        for (const { at, to } of changes) characters.splice(at % (characters.length + 1), at % 2, to);
        agree(characters.join(''));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    '{"t":23.4,"h":50.20,"on":true,"mode":"auto"}',
    '{ "t" : -0.5 , "n" : 12 }',
    `{"id":"10000","ts":${NOW_MS},"values":{"seq":10000,"t":20.0,"h":50.2,"v":3.61,"on":1}}`,
    `{"values":{"t":1},"ts":${NOW_MS - 1},"id":17}`,
    '{"id":"a","ts":1}',
  ])('is not left to the general way: %s', (text) => {
    expect(shortLine(text)).toBe(fullLine(text));
    expect(shortLine(text)).not.toBeNull();
  });

  it.each([
    ['numbers as keys, which come out first', '{"t":1,"7":2}'],
    ['a key that comes twice', '{"t":1,"t":2}'],
    ['a time of another day, far ahead', `{"ts":${NOW_MS + DAY_MS},"values":{"t":1}}`],
    ['members that do not belong to a point', `{"ts":${NOW_MS},"values":{"t":1},"metadata":{}}`],
    ['an id without a text', `{"ts":${NOW_MS},"values":{"t":1},"id":""}`],
  ])('leaves to the general way: %s', (_what, text) => {
    expect(shortLine(text)).toBeNull();
  });

  it('leaves to the general way what has more values than it can hold', () => {
    const members = (count: number): string =>
      `{${Array.from({ length: count }, (_, index) => `"k${index}":${index}`).join(',')}}`;
    expect(shortLine(members(64))).toBe(fullLine(members(64)));
    expect(shortLine(members(65))).toBeNull();
    expect(shortLine(`{"a":"${'x'.repeat(4_096)}"}`)).toBeNull();
  });

  it('writes ids and texts of the greatest length', () => {
    const text = `{"ts":${NOW_MS},"id":"${'i'.repeat(128)}","values":{"${'k'.repeat(64)}":"${'x'.repeat(3_800)}"}}`;
    expect(shortLine(text)).toBe(fullLine(text));
    expect(shortLine(text.replace('"i', '"ii'))).toBeNull();
  });
});
