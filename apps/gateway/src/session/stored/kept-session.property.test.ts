import { describe, expect, it } from '@jest/globals';
import type { Incarnation } from '@breakwater/twin';
import fc from 'fast-check';

import { decodeKeptSession, encodeKeptSession, type KeptSession } from './kept-session.ts';

const packetId = fc.integer({ min: 1, max: 0xffff });
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const timeMs = fc.maxSafeNat();
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);

const message = fc
  .record(
    {
      topic: text,
      payload: bytes,
      qos: fc.constantFrom(1 as const, 2 as const),
      retain: fc.boolean(),
      place: fc.oneof(
        fc.constant({ state: 'queued' as const, packetId: 0 }),
        fc.record({ state: fc.constantFrom('sent' as const, 'released' as const), packetId }),
      ),
      expiresInMs: fc.option(timeMs),
      payloadFormatIndicator: fc.boolean(),
      contentType: text,
      responseTopic: text,
      correlationData: bytes,
      userProperties: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }),
    },
    { requiredKeys: ['topic', 'payload', 'qos', 'retain', 'place', 'expiresInMs'] },
  )
  .map(({ place, ...rest }) => ({ ...rest, ...place }));

const session: fc.Arbitrary<KeptSession> = fc.record({
  incarnation: fc.nat().map((number) => number as Incarnation),
  firstEpoch: timeMs,
  releases: fc.array(fc.record({ packetId, appendedAtMs: timeMs }), { maxLength: 5 }),
  snapshot: fc.record({
    savedAtMs: timeMs,
    isAttached: fc.boolean(),
    expiresInMs: fc.option(timeMs),
    subscriptions: fc.array(fc.tuple(text, qos), { maxLength: 5 }),
    receivedIds: fc.array(packetId, { maxLength: 5 }),
    lastPacketId: fc.integer({ min: 0, max: 0xffff }),
    messages: fc.array(message, { maxLength: 5 }),
  }),
});

describe('a kept session', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(session, (kept) => {
        expect(decodeKeptSession(encodeKeptSession(kept))).toEqual({ kind: 'session', session: kept });
      }),
      { numRuns: 300 },
    );
  });

  it('is unreadable when a byte is missing or too many, and never throws or is read beyond its end', () => {
    fc.assert(
      fc.property(session, fc.nat(), (kept, at) => {
        const whole = encodeKeptSession(kept);
        expect(decodeKeptSession(whole.subarray(0, at % whole.length)).kind).toBe('unreadable');
        expect(decodeKeptSession(Buffer.concat([whole, Buffer.of(0)])).kind).toBe('unreadable');
      }),
      { numRuns: 300 },
    );
  });

  it('is read or unreadable, whatever the bytes are', () => {
    fc.assert(
      fc.property(session, fc.nat(), fc.integer({ min: 0, max: 255 }), (kept, at, value) => {
        const damaged = encodeKeptSession(kept);
        damaged[at % damaged.length] = value;
        const decoded = decodeKeptSession(damaged);
        // What is read is what would have been written so.
        if (decoded.kind === 'session')
          expect(encodeKeptSession(decoded.session).length).toBeLessThanOrEqual(damaged.length);
      }),
      { numRuns: 1_000 },
    );
  });

  it('of another version is unreadable, and says so', () => {
    const snapshot = { savedAtMs: 1, isAttached: true, expiresInMs: 1.5, subscriptions: [], receivedIds: [] } as const;
    const kept = { incarnation: 1 as Incarnation, firstEpoch: 1, releases: [] };
    const encoded = encodeKeptSession({ ...kept, snapshot: { ...snapshot, lastPacketId: 0, messages: [] } });
    expect(decodeKeptSession(encoded)).toMatchObject({ kind: 'session', session: { snapshot: { expiresInMs: 2 } } });
    encoded[0] = 2;
    expect(decodeKeptSession(encoded)).toEqual({ kind: 'unreadable', detail: 'version 2, and 1 is known' });
  });

  it('takes few bytes', () => {
    const subscriptions = [['v1/devices/me/twin/desired', 1]] as const;
    const snapshot = { savedAtMs: 1_790_000_000_000, isAttached: true, expiresInMs: 86_400_000, subscriptions };
    const rest = { receivedIds: [], lastPacketId: 17, messages: [] };
    const kept = { incarnation: 1 as Incarnation, firstEpoch: 9, releases: [], snapshot: { ...snapshot, ...rest } };
    expect(encodeKeptSession(kept).length).toBeLessThan(60);
  });
});
