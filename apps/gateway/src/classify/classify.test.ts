import { describe, expect, it } from '@jest/globals';
import type { DeviceId, JsonValue } from '@breakwater/twin';
import type { PayloadFormat } from '@breakwater/twin-runtime';
import { decodeRecord, encodeRecord, LIMITS, type RecordMessage, type WireRecord } from '@breakwater/wire';
import { encode as encodeCbor } from 'cbor-x';

import { classify, type Classified } from './classify.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const DEVICE = 'd1' as DeviceId;

function classified(
  tail: string,
  payload: string | Uint8Array,
  more: { contentType?: string; id?: string; payloadFormat?: PayloadFormat } = {},
): Classified {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const userProperties = more.id === undefined ? [] : [['id', more.id] as const];
  const sender = { device: DEVICE, payloadFormat: more.payloadFormat ?? 'auto' };
  const topic = tail.startsWith('v1/') ? tail : `v1/devices/me/${tail}`;
  return classify({ topic, payload: bytes, contentType: more.contentType ?? null, userProperties }, sender, NOW);
}

function codeOf(result: Classified): string {
  return result.kind === 'dead' ? result.code : `good ${result.message.kind}`;
}

/** The points of a good telemetry message, in a form that is easy to compare. */
function pointsOf(result: Classified): readonly unknown[] {
  if (result.kind !== 'good' || result.message.kind !== 'telemetry')
    throw new Error(`not telemetry: ${codeOf(result)}`);
  return result.message.points.map(({ tsMs, values, marked }) => [tsMs, Object.fromEntries(values), marked ?? false]);
}

function throughTheLog(message: RecordMessage): RecordMessage {
  const header = { tenant: 'default', device: DEVICE, incarnation: 1, sessionEpoch: 1, packetId: 1, digest: 1 };
  const rest = { messageId: '', receivedAtMs: NOW, traceparent: '' };
  return decodeRecord(encodeRecord({ ...header, ...rest, message } as unknown as WireRecord)).message;
}

describe('classify: shapes of telemetry', () => {
  it.each([
    ['flat', '{"a":1,"b":"x","c":true}', [[NOW, { a: 1, b: 'x', c: true }, false]]],
    [
      'list of flat',
      '[{"a":1},{"b":2}]',
      [
        [NOW, { a: 1 }, false],
        [NOW, { b: 2 }, false],
      ],
    ],
    ['timed', `{"ts":${NOW - 5},"values":{"a":1}}`, [[NOW - 5, { a: 1 }, false]]],
    [
      'list of timed',
      `[{"ts":${NOW - 5},"values":{"a":1}},{"a":2}]`,
      [
        [NOW - 5, { a: 1 }, false],
        [NOW, { a: 2 }, false],
      ],
    ],
    ['a measurement named ts', '{"ts":1,"a":2}', [[NOW, { ts: 1, a: 2 }, false]]],
    ['objects as values', '{"gps":{"lat":1,"lon":[2]}}', [[NOW, { gps: { lat: 1, lon: [2] } }, false]]],
    [
      "ThingsBoard's metadata, which is no measurement",
      `{"ts":${NOW - 5},"values":{"a":1},"metadata":{"publishedTs":1}}`,
      [[NOW - 5, { a: 1 }, false]],
    ],
    ['a key given twice: the last one wins', '{"a":1,"a":2}', [[NOW, { a: 2 }, false]]],
  ])('%s', (_, payload, points) => {
    expect(pointsOf(classified('telemetry', payload))).toEqual(points);
  });

  it('keeps a key __proto__ as a key like any other', () => {
    const result = classified('telemetry', '{"__proto__":1,"a":2}');
    if (result.kind !== 'good') throw new Error(result.detail);
    const message = throughTheLog(result.message);
    if (message.kind !== 'telemetry') throw new Error(message.kind);
    expect([...(message.points[0]?.values ?? [])]).toEqual([
      ['__proto__', 1],
      ['a', 2],
    ]);
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });

  it.each([
    ['', 'PAYLOAD_MALFORMED'],
    ['{"a":', 'PAYLOAD_MALFORMED'],
    ['7', 'PAYLOAD_MALFORMED'],
    ['{}', 'PAYLOAD_MALFORMED'],
    ['[]', 'PAYLOAD_MALFORMED'],
    ['[{"a":1},7]', 'PAYLOAD_MALFORMED'],
    ['\uFEFF{"a":1}', 'PAYLOAD_MALFORMED'],
    ['{"a":"\\ud800"}', 'PAYLOAD_MALFORMED'],
    ['{"a":1e999}', 'TELEMETRY_VALUE_INVALID'],
    ['{"a":null}', 'TELEMETRY_VALUE_INVALID'],
    ['{"a b":1}', 'TELEMETRY_KEY_INVALID'],
    ['{"":1}', 'TELEMETRY_KEY_INVALID'],
    [`{"${'k'.repeat(65)}":1}`, 'TELEMETRY_KEY_INVALID'],
    ['[{"good":1},{"not good":1}]', 'TELEMETRY_KEY_INVALID'],
    [`{"ts":1,"values":{"a":1},"other":2}`, 'PAYLOAD_MALFORMED'],
    [`{"ts":1,"values":{"a":1},"metadata":7}`, 'PAYLOAD_MALFORMED'],
    [`{"ts":"now","values":{"a":1}}`, 'TIMESTAMP_INVALID'],
    [`{"ts":null,"values":{"a":1}}`, 'TIMESTAMP_INVALID'],
    [`{"ts":${NOW},"values":{"a":1},"id":""}`, 'PAYLOAD_MALFORMED'],
    [`{"a":${'['.repeat(8)}${']'.repeat(8)}}`, 'JSON_TOO_DEEP'],
    ['['.repeat(60_000), 'PAYLOAD_MALFORMED'],
    [`${'['.repeat(60_000)}${']'.repeat(60_000)}`, 'JSON_TOO_DEEP'],
    [JSON.stringify(Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`k${i}`, i]))), 'PAYLOAD_TOO_LARGE'],
    [JSON.stringify(Array.from({ length: 1_001 }, () => ({ a: 1 }))), 'PAYLOAD_TOO_LARGE'],
    [`{"a":"${'x'.repeat(LIMITS.payloadBytesMax)}"}`, 'PAYLOAD_TOO_LARGE'],
  ])('refuses %.40j', (payload, code) => {
    expect(codeOf(classified('telemetry', payload))).toBe(code);
  });

  it('takes the deepest value that is allowed', () => {
    expect(codeOf(classified('telemetry', `{"a":${'['.repeat(7)}${']'.repeat(7)}}`))).toBe('good telemetry');
  });
});

describe('classify: whole numbers in JSON', () => {
  it.each([
    ['2^53 - 1', '9007199254740991', true],
    ['2^53, which is exact', '9007199254740992', true],
    ['2^53 + 1, which would be rounded', '9007199254740993', false],
    ['the same, negative', '-9007199254740993', false],
    ['nanoseconds that are not exact', '1795348220490000001', false],
    ['2^63', '9223372036854775808', true],
    ['2^63 - 1', '9223372036854775807', false],
    ['1e20 as JavaScript writes it', '100000000000000000000', true],
    ['a double as JavaScript writes it', '123456789012345680000', true],
    ['with an exponent', '1e300', true],
    ['with a fraction', '9007199254740993.0', true],
    ['100 digits', '1'.repeat(100), false],
    ['minus zero', '-0', true],
  ])('%s', (_, digits, isTaken) => {
    const expected = isTaken ? 'good telemetry' : 'TELEMETRY_VALUE_INVALID';
    expect(codeOf(classified('telemetry', `{"a":${digits}}`))).toBe(expected);
    expect(codeOf(classified('telemetry', `{"deep":[{"a":1},{"b":${digits}}]}`))).toBe(expected);
    expect(codeOf(classified('twin/reported', `{"a":{"b":${digits}},"c":9}`)).startsWith('good')).toBe(isTaken);
    // As a text it is what it is.
    expect(codeOf(classified('telemetry', `{"a":"${digits}"}`))).toBe('good telemetry');
  });
});

describe('classify: which format it is', () => {
  const CBOR = Buffer.from('a1616101', 'hex');
  const good = 'good telemetry';
  const no = 'PAYLOAD_MALFORMED';
  it.each([
    [null, 'auto', '{"a":1}', CBOR, good, good],
    [null, 'json', '{"a":1}', CBOR, good, no],
    [null, 'cbor', '{"a":1}', CBOR, no, good],
    ['application/json', 'cbor', '{"a":1}', CBOR, good, no],
    ['application/json; charset=utf-8', 'cbor', '{"a":1}', CBOR, good, no],
    ['application/senml+json', 'cbor', '{"a":1}', CBOR, good, no],
    ['application/cbor', 'json', '{"a":1}', CBOR, no, good],
    ['APPLICATION/CBOR', 'json', '{"a":1}', CBOR, no, good],
    ['application/senml+cbor', 'json', '{"a":1}', CBOR, no, good],
    // A content type that is neither says nothing.
    ['text/plain', 'auto', '{"a":1}', CBOR, good, good],
    ['application/octet-stream', 'cbor', '{"a":1}', CBOR, no, good],
    ['application/cborx', 'json', '{"a":1}', CBOR, good, no],
  ] as const)('content type %s, profile %s', (contentType, payloadFormat, json, cbor, ofJson, ofCbor) => {
    const more = { payloadFormat, ...(contentType === null ? {} : { contentType }) };
    expect(codeOf(classified('telemetry', json, more))).toBe(ofJson);
    expect(codeOf(classified('telemetry', cbor, more))).toBe(ofCbor);
  });

  it.each([
    ['protobuf', '0801120474656d70'],
    ['an image', 'ffd8ffe0'],
    ['words', Buffer.from('hello').toString('hex')],
  ])('says of %s that it is neither', (_, hex) => {
    expect(classified('telemetry', Buffer.from(hex, 'hex'))).toEqual({
      kind: 'dead',
      code: no,
      detail: 'the payload is neither JSON nor CBOR',
    });
  });
});

describe('classify: device time', () => {
  const ahead = LIMITS.deviceClockAheadMsMax;
  const oldest = NOW - LIMITS.rollupHourRetentionDays * 86_400_000;
  it.each([
    ['as it is', NOW - 1, [NOW - 1, false]],
    ['a little ahead', NOW + ahead, [NOW + ahead, false]],
    ['too far ahead', NOW + ahead + 1, [NOW, true]],
    ['absurdly far ahead', 1e300, [NOW, true]],
    ['zero', 0, [NOW, true]],
    ['negative', -5, [NOW, true]],
    ['in seconds', Math.floor(NOW / 1000), [NOW, true]],
    ['before 2000', LIMITS.deviceClockMsMin - 1, [NOW, true]],
    ['with a fraction', NOW - 10.6, [NOW - 11, false]],
    ['as old as is kept', oldest, [oldest, false]],
  ])('%s', (_, ts, expected) => {
    const [point] = pointsOf(classified('telemetry', `{"ts":${ts},"values":{"a":1}}`)) as [[number, unknown, boolean]];
    expect([point[0], point[2]]).toEqual(expected);
  });

  it('is a dead letter when it is older than anything that is kept', () => {
    expect(codeOf(classified('telemetry', `{"ts":${oldest - 1},"values":{"a":1}}`))).toBe('TIMESTAMP_TOO_OLD');
  });
});

describe('classify: message ids', () => {
  const idOf = (result: Classified): string => (result.kind === 'good' ? result.messageId : codeOf(result));
  it('stands beside ts, or in the user property, which wins', () => {
    expect(idOf(classified('telemetry', `{"ts":${NOW},"values":{"a":1},"id":"m-1"}`))).toBe('m-1');
    expect(idOf(classified('telemetry', `{"ts":${NOW},"values":{"a":1},"id":17}`))).toBe('17');
    expect(idOf(classified('telemetry', '{"a":1}', { id: 'm-2' }))).toBe('m-2');
    expect(idOf(classified('telemetry', `{"ts":${NOW},"values":{"a":1},"id":"m-1"}`, { id: 'm-2' }))).toBe('m-2');
    expect(idOf(classified('twin/reported', '{"a":1}', { id: 'm-3' }))).toBe('m-3');
  });
  it('is no id in a flat object', () => {
    expect(idOf(classified('telemetry', '{"id":"m-1"}'))).toBe('');
  });
  it('of a list is made of all of them, in at most 128 bytes', () => {
    const list = (count: number): string =>
      JSON.stringify(Array.from({ length: count }, (_, i) => ({ ts: NOW, values: { a: 1 }, id: `m-${i}` })));
    expect(idOf(classified('telemetry', list(2)))).toBe('m-0,m-1');
    expect(idOf(classified('telemetry', list(200)))).toMatch(/^[0-9a-f]{64}$/);
    expect(idOf(classified('telemetry', list(200)))).not.toBe(idOf(classified('telemetry', list(201))));
  });
});

describe('classify: the other topics', () => {
  const messageOf = (result: Classified): unknown =>
    result.kind === 'good' ? [result.lane, result.message] : result.code;
  it.each([
    ['attributes', '{"a":1}', ['control', { kind: 'reportState', patch: { a: 1 } }]],
    [
      'twin/reported',
      '{"a":null,"$version":4}',
      ['control', { kind: 'reportState', patch: { a: null }, expectedVersion: 4 }],
    ],
    ['twin/reported', '{"$version":"4"}', 'PATCH_INVALID'],
    ['twin/reported', '[1]', 'PATCH_INVALID'],
    ['twin/get', '', ['control', { kind: 'getTwin' }]],
    ['twin/get', '\u0000', ['control', { kind: 'getTwin' }]],
    ['attributes/request/3', '', ['control', { kind: 'getAttributes', requestId: 3 }]],
    ['attributes/request/3', '{}', ['control', { kind: 'getAttributes', requestId: 3 }]],
    [
      'attributes/request/3',
      '{"clientKeys":"a,b,","sharedKeys":"c"}',
      ['control', { kind: 'getAttributes', requestId: 3, clientKeys: ['a', 'b'], sharedKeys: ['c'] }],
    ],
    ['attributes/request/3', '{"clientKeys":["a"]}', 'PAYLOAD_MALFORMED'],
    ['attributes/request/3', '[]', 'PAYLOAD_MALFORMED'],
    [
      'attributes/request/3',
      JSON.stringify({ clientKeys: Array.from({ length: 513 }, (_, i) => `k${i}`).join() }),
      'PAYLOAD_MALFORMED',
    ],
    ['attributes/request/2147483648', '', 'TOPIC_UNKNOWN'],
    ['status', 'offline', ['control', { kind: 'statusReported', detail: 'offline' }]],
    ['status', '{"online":false}', ['control', { kind: 'statusReported', detail: { online: false } }]],
    ['status', '', ['control', { kind: 'statusReported', detail: null }]],
    ['status', '{"online"', 'PAYLOAD_MALFORMED'],
    ['events/door', '{"open":true}', ['telemetry', { kind: 'event', name: 'door', tsMs: NOW, data: { open: true } }]],
    ['events/door', '', ['telemetry', { kind: 'event', name: 'door', tsMs: NOW, data: null }]],
    [
      'events/door',
      `{"ts":${NOW - 9},"data":7}`,
      ['telemetry', { kind: 'event', name: 'door', tsMs: NOW - 9, data: 7 }],
    ],
    ['events/a b', '{}', 'TOPIC_UNKNOWN'],
    ['nothing', '{}', 'TOPIC_UNKNOWN'],
    ['v1/devices/d1/twin/get', '', ['control', { kind: 'getTwin' }]],
    ['v1/devices/d2/telemetry', '{"a":1}', 'TOPIC_NOT_OWN'],
    [`v1/devices/me/${'x'.repeat(300)}`, '', 'TOPIC_UNKNOWN'],
  ])('%.40s %j', (topic, payload, expected) => {
    expect(messageOf(classified(topic, payload))).toEqual(expected);
  });
});

describe('classify: CBOR', () => {
  it('is recognised by content type and by its first byte, and means what the JSON means', () => {
    const value = { ts: NOW - 5, values: { a: 1, b: -2.5, c: 'ü', d: [true, false], e: 2 ** 40 }, id: 'm' };
    const json = classified('telemetry', JSON.stringify(value));
    expect(classified('telemetry', encodeCbor(value))).toEqual(json);
    expect(classified('telemetry', encodeCbor(value), { contentType: 'application/cbor' })).toEqual(json);
    expect(classified('telemetry', encodeCbor([value]))).toEqual(classified('telemetry', JSON.stringify([value])));
  });

  it.each([
    ['a map that ends in a key', 'bf6161f93c00615f', 'PAYLOAD_MALFORMED'],
    ['an indefinite map', 'bf6161f93c00ff', 'good telemetry'],
    ['an indefinite text', 'a161617f61616162ff', 'good telemetry'],
    ['a self-described map', 'd9d9f7a1616101', 'good telemetry'],
    ['another tag', 'd9d9f8a1616101', 'PAYLOAD_MALFORMED'],
    ['a byte string', 'a161614101', 'PAYLOAD_MALFORMED'],
    ['a bignum', 'a16161c249010000000000000000', 'PAYLOAD_MALFORMED'],
    ['a date', 'a16161c11a5f000000', 'PAYLOAD_MALFORMED'],
    ['a shared reference', 'd81c81d81d00', 'PAYLOAD_MALFORMED'],
    ['undefined', 'a16161f7', 'PAYLOAD_MALFORMED'],
    ['NaN', 'a16161f97e00', 'TELEMETRY_VALUE_INVALID'],
    ['Infinity', 'a16161fb7ff0000000000000', 'TELEMETRY_VALUE_INVALID'],
    ['2^53 - 1', 'a161611b001fffffffffffff', 'good telemetry'],
    ['2^53', 'a161611b0020000000000000', 'TELEMETRY_VALUE_INVALID'],
    ['-2^53', 'a161613b001fffffffffffff', 'TELEMETRY_VALUE_INVALID'],
    ['a number as key', 'a10102', 'PAYLOAD_MALFORMED'],
    ['a break where a value belongs', 'a16161ff', 'PAYLOAD_MALFORMED'],
    ['bytes behind the value', 'a161610100', 'PAYLOAD_MALFORMED'],
    ['an array that claims 2^32 items', '9affffffff01', 'PAYLOAD_MALFORMED'],
    ['a map that claims 2^53 - 1 entries', 'bb001fffffffffffff', 'PAYLOAD_MALFORMED'],
    ['a text that claims 2^53 - 1 bytes', 'a17b001fffffffffffff', 'PAYLOAD_MALFORMED'],
    ['a text that is not UTF-8', 'a1616161ff', 'PAYLOAD_MALFORMED'],
    ['100,000 nested arrays', '81'.repeat(100_000), 'JSON_TOO_DEEP'],
    ['100,000 nested indefinite arrays', '9f'.repeat(100_000), 'JSON_TOO_DEEP'],
  ])('%s', (_, hex, code) => {
    expect(codeOf(classified('telemetry', Buffer.from(hex, 'hex')))).toBe(code);
  });

  it.each([
    ['half precision', 'f93e00', 1.5],
    ['the smallest half', 'f90001', 2 ** -24],
    ['minus zero', 'f98000', -0],
    ['single precision', 'fa40490fdb', Math.fround(Math.PI)],
    ['double precision', 'fb400921fb54442d18', Math.PI],
    ['an integer in one byte', '1818', 24],
    ['an integer in eight bytes', '1b001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['a negative one', '3b001ffffffffffffe', Number.MIN_SAFE_INTEGER],
  ])('keeps %s exactly, through the log too', (_, hex, value) => {
    const result = classified('telemetry', Buffer.from(`a16161${hex}`, 'hex'));
    if (result.kind !== 'good') throw new Error(result.detail);
    const message = throughTheLog(result.message);
    expect(message.kind === 'telemetry' && message.points[0]?.values.get('a')).toBe(value === 0 ? 0 : value);
  });

  it('keeps the last of two equal keys', () => {
    expect(pointsOf(classified('telemetry', Buffer.from('a2616101616102', 'hex')))).toEqual([[NOW, { a: 2 }, false]]);
  });

  it('defines a key __proto__ instead of assigning it', () => {
    const result = classified('events/e', Buffer.from('a1695f5f70726f746f5f5fa1616101', 'hex'));
    if (result.kind !== 'good' || result.message.kind !== 'event') throw new Error(codeOf(result));
    expect(Object.keys(result.message.data as Record<string, JsonValue>)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(result.message.data)).toBe(Object.prototype);
  });
});
