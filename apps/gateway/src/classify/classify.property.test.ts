import { describe, expect, it } from '@jest/globals';
import type { DeviceId } from '@breakwater/twin';
import { PAYLOAD_FORMATS, type PayloadFormat } from '@breakwater/twin-runtime';
import { decodeRecord, encodeRecord, type WireRecord } from '@breakwater/wire';
import { encode as encodeCbor } from 'cbor-x';
import fc from 'fast-check';

import { classify, type Classified } from './classify.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const RUNS = 500;

const topics = fc.oneof(
  fc
    .constantFrom('telemetry', 'attributes', 'twin/reported', 'twin/get', 'status', 'events/e')
    .map((tail) => `v1/devices/me/${tail}`),
  fc.string({ unit: 'binary', maxLength: 300 }),
);
const values = fc.jsonValue({ maxDepth: 10 });
const flatValues = fc.dictionary(
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,16}$/),
  fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string({ unit: 'binary' }), fc.boolean()),
  { minKeys: 1, noNullPrototype: true },
);
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  values.map((value) => Buffer.from(JSON.stringify(value))),
  values.map((value) => encodeCbor(value)),
  // Nearly right: one byte of something good is another one.
  fc.tuple(values, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
    const bytes = Buffer.from(JSON.stringify(value));
    bytes[at % bytes.length] = byte;
    return bytes;
  }),
  fc.tuple(values, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
    const bytes = Buffer.from(encodeCbor(value));
    bytes[at % bytes.length] = byte;
    return bytes;
  }),
);

function classified(
  topic: string,
  payload: Uint8Array,
  contentType: string | null = null,
  payloadFormat: PayloadFormat = 'auto',
): Classified {
  return classify(
    { topic, payload, contentType, userProperties: [] },
    { device: 'd1' as DeviceId, payloadFormat },
    NOW,
  );
}

function lineOf(result: Extract<Classified, { kind: 'good' }>): string {
  const header = { tenant: 'default', device: 'd1', incarnation: 1, sessionEpoch: 1, packetId: 1, digest: 1 };
  const rest = { messageId: result.messageId, receivedAtMs: NOW, traceparent: '' };
  return encodeRecord({ ...header, ...rest, message: result.message } as unknown as WireRecord);
}

describe('classify', () => {
  it('answers whatever comes, and what it calls good is one line that reads back as itself', () => {
    fc.assert(
      fc.property(
        topics,
        payloads,
        fc.constantFrom(null, 'application/cbor', 'application/json', 'x'),
        fc.constantFrom(...PAYLOAD_FORMATS),
        (...given) => {
          const result = classified(...given);
          if (result.kind === 'dead') return;
          const line = lineOf(result);
          expect(line).not.toContain('\n');
          const again = decodeRecord(line);
          expect(lineOf({ ...result, message: again.message as typeof result.message })).toBe(line);
        },
      ),
      { numRuns: RUNS * 4 },
    );
  });

  it('takes every flat object of good keys and values, in JSON and in CBOR alike', () => {
    fc.assert(
      fc.property(flatValues, (object) => {
        const wellFormed = Object.fromEntries(
          Object.entries(object).map(([key, value]) => [key, Object.is(value, -0) ? 0 : value]),
        );
        const json = classified('v1/devices/d1/telemetry', Buffer.from(JSON.stringify(wellFormed)));
        expect(json.kind).toBe('good');
        const cbor = classified('v1/devices/d1/telemetry', encodeCbor(wellFormed), 'application/cbor');
        expect(cbor).toEqual(json);
      }),
      { numRuns: RUNS },
    );
  });
});
