import { describe, expect, it } from '@jest/globals';
import { PAYLOAD_FORMATS } from '@breakwater/twin-runtime';
import { encode as encodeCbor } from 'cbor-x';
import fc from 'fast-check';

import { readGatewayMessage } from './read-gateway-message.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const RUNS = 2_000;

const topics = fc.oneof(
  fc
    .constantFrom('connect', 'disconnect', 'telemetry', 'attributes', 'attributes/request', 'rpc', 'claim', '', 'x')
    .map((tail) => `v1/gateway/${tail}`),
  fc.string({ unit: 'binary', maxLength: 300 }).map((tail) => `v1/gateway/${tail}`),
);
const names = fc.oneof(fc.constantFrom('A', 'B', '__proto__', 'constructor', '', 'me'), fc.string({ maxLength: 5 }));
const parts = fc.oneof(
  fc.jsonValue({ maxDepth: 10 }),
  fc.dictionary(fc.constantFrom('a', 'b', '__proto__', '$version'), fc.jsonValue({ maxDepth: 2 })),
);
const requests = fc.record(
  {
    id: fc.jsonValue({ maxDepth: 1 }),
    device: fc.string(),
    client: fc.boolean(),
    key: fc.string(),
    keys: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const values = fc.oneof(fc.dictionary(names, parts), requests, fc.jsonValue({ maxDepth: 12 }));
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  values.map((value) => Buffer.from(JSON.stringify(value))),
  values.map((value) => encodeCbor(value)),
);

describe('messages of gateway devices', () => {
  it('are answered whatever comes, and each child is in it once', () => {
    fc.assert(
      fc.property(topics, payloads, fc.constantFrom(...PAYLOAD_FORMATS), (topic, payload, payloadFormat) => {
        const incoming = { topic, payload, contentType: null, userProperties: [] };
        const read = readGatewayMessage(incoming, payloadFormat, NOW);
        if (read.kind !== 'messages') return;
        const children = read.messages.map(({ child }) => child);
        expect(new Set(children).size).toBe(children.length);
        for (const { classified } of read.messages) expect(['good', 'dead']).toContain(classified.kind);
      }),
      { numRuns: RUNS },
    );
  });

  it('take what is good of every child, in JSON and in CBOR alike', () => {
    const children = fc.dictionary(
      fc.stringMatching(/^[A-Za-z0-9_.:-]{1,12}$/),
      fc.dictionary(fc.constantFrom('t', 'h'), fc.integer(), { minKeys: 1, noNullPrototype: true }),
      { minKeys: 1, noNullPrototype: true },
    );
    fc.assert(
      fc.property(children, (sent) => {
        const read = (payload: Uint8Array) =>
          readGatewayMessage(
            { topic: 'v1/gateway/telemetry', payload, contentType: null, userProperties: [] },
            'auto',
            NOW,
          );
        const json = read(Buffer.from(JSON.stringify(sent)));
        expect(read(encodeCbor(sent))).toEqual(json);
        expect(json.kind === 'messages' && json.messages.every(({ classified }) => classified.kind === 'good')).toBe(
          true,
        );
      }),
      { numRuns: 300 },
    );
  });
});
