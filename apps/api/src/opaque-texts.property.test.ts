import { describe, expect, it } from '@jest/globals';
import type { DeviceId, Offset } from '@breakwater/twin';
import fc from 'fast-check';

import { entityTag, matchesIfNoneMatch, parseIfMatch } from './http/entity-tag.ts';
import { decodeCursor, encodeCursor } from './http/opaque-cursor.ts';
import { newTrace } from './http/trace.ts';
import { operationIdOf, parseOperationId } from './operation-id.ts';

const deviceId = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,128}$/).filter((id) => id !== 'me');
const operationKey = fc.stringMatching(/^[\x21-\x7e]{1,128}$/);

describe('operation ids', () => {
  it('give back what they were made of', () => {
    fc.assert(
      fc.property(deviceId, fc.maxSafeNat(), operationKey, (device, offset, key) => {
        const place = { device: device as DeviceId, offset: offset as Offset, key };
        expect(parseOperationId(operationIdOf(place))).toEqual(place);
      }),
    );
  });

  it('are never read out of anything else', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `op-1-${Buffer.from(text).toString('base64url')}`),
        ),
        (text) => {
          const place = parseOperationId(text);
          expect(place === null || operationIdOf(place) === text).toBe(true);
        },
      ),
    );
  });
});

describe('cursors', () => {
  it('give back their place, and only to their own list', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (text) => {
        const place = Buffer.from(text).toString();
        const cursor = encodeCursor('devices', place);
        expect(decodeCursor('devices', cursor)).toBe(place);
        expect(() => decodeCursor('range', cursor)).toThrow('not made by this list');
      }),
    );
  });
});

describe('entity tags', () => {
  it('match the version that they are of, strongly in If-Match and weakly in If-None-Match', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (version, other) => {
        const tag = entityTag(version);
        expect(parseIfMatch(tag)).toEqual({ kind: 'versions', versions: [version] });
        expect(parseIfMatch(`W/${tag}`)).toEqual({ kind: 'versions', versions: [] });
        expect(matchesIfNoneMatch(`W/${tag}`, version)).toBe(true);
        expect(matchesIfNoneMatch(tag, other)).toBe(version === other);
      }),
    );
  });

  it('are absent when the header is, and refused when they are no tags', () => {
    expect(parseIfMatch(undefined)).toBeNull();
    expect(parseIfMatch(' * ')).toEqual({ kind: 'any' });
    for (const header of ['', ',', '5', '"5', '"a"b"', '*, "5"'])
      expect(() => parseIfMatch(header)).toThrow('entity tags');
    expect(() => parseIfMatch(Array.from({ length: 33 }, (_, n) => `"${n}"`).join(','))).toThrow('entity tags');
  });
});

describe('traces', () => {
  it('follow a good traceparent and no other', () => {
    const traceId = 'a'.repeat(32);
    expect(newTrace(`00-${traceId}-${'b'.repeat(16)}-01`).traceparent).toMatch(
      new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`),
    );
    for (const header of [
      undefined,
      '',
      `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
      `ff-${traceId}-${'b'.repeat(16)}-01`,
      'x',
    ]) {
      expect(newTrace(header).traceId).not.toBe(traceId);
    }
  });
});
