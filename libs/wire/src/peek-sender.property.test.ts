import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { peekSender } from './peek-sender.ts';
import { encodeRecord, type WireRecord } from './record.ts';

describe('peekSender', () => {
  it('reads from the head of a line what decoding it would say', () => {
    const header = fc.record({
      tenant: fc.stringMatching(/^[a-z0-9-]{1,20}$/),
      device: fc.stringMatching(/^[A-Za-z0-9_.:-]{1,20}$/),
      incarnation: fc.nat(),
      sessionEpoch: fc.nat(),
      packetId: fc.integer({ min: 0, max: 65_535 }),
      digest: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      messageId: fc.string({ unit: 'binary', maxLength: 40 }),
    });
    const messages = fc.constantFrom(
      { kind: 'getTwin' },
      { kind: 'telemetry', points: [{ tsMs: 1, values: new Map([['a', 'b']]) }] },
      {
        kind: 'telemetry',
        points: [
          { tsMs: 1, values: new Map() },
          { tsMs: 1e12, values: new Map() },
        ],
      },
    );
    fc.assert(
      fc.property(header, messages, (sender, message) => {
        const record = { ...sender, message, receivedAtMs: 5, traceparent: '' } as unknown as WireRecord;
        expect(peekSender(encodeRecord(record))).toEqual(sender);
      }),
    );
  });

  it('knows no other line', () => {
    expect(peekSender('{"v":2,"k":"getTwin"}')).toBeNull();
    expect(peekSender('')).toBeNull();
  });
});
