import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { ERROR_CODES } from '@breakwater/wire';

import { type Answer, MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

/** No worker has to answer: what is good enough to be appended ends as 200 or 504, and both are fine here. */
const platform = new MemoryPlatform({ writeTimeoutMs: 2_000 });
beforeAll(async () => {
  await platform.start();
  await platform.device('known');
});
afterAll(() => platform.stop());

const RUNS = { numRuns: 150 };
const CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/** Whatever is sent: an answer that the documents know, never a fault of ours, and every refusal a whole problem. */
function expectSane(answer: Answer): void {
  expect(answer.status === 503 || answer.status === 504 || answer.status < 500).toBe(true);
  if (answer.status < 400) return;
  expect(answer.headers['content-type']).toContain('application/problem+json');
  expect(answer.body).toMatchObject({ status: answer.status, title: expect.any(String), detail: expect.any(String) });
  expect(CODES.has(answer.body.code)).toBe(true);
  expect(answer.body.code).not.toBe('INTERNAL');
  expect(answer.body.traceId).toMatch(/^[0-9a-f]{32}$/);
}

const segment = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => encodeURIComponent(wellFormed(text))),
  fc.constantFrom(
    '..',
    '%2e%2e',
    '%00',
    '%',
    '%zz',
    'a%2Fb',
    'known',
    'me',
    '__proto__',
    "' OR 1=1 --",
    '{{7*7}}',
    'x'.repeat(2_000),
  ),
);
const tail = fc.constantFrom(
  '',
  '/twin',
  '/token',
  '/telemetry',
  '/events',
  '/twin/events',
  '/twin/history',
  '/nothing',
);
const queryText = fc
  .array(
    fc.tuple(
      fc.constantFrom('limit', 'cursor', 'key', 'from', 'to', 'step', 'agg', 'name', 'x[]', '__proto__'),
      fc.string({ maxLength: 20 }),
    ),
    { maxLength: 5 },
  )
  .map((pairs) => pairs.map(([name, value]) => `${name}=${encodeURIComponent(wellFormed(value))}`).join('&'));
const headerText = fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, '?'));

describe('REST under any input', () => {
  it('refuses odd paths and queries with a problem', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'DELETE', 'POST'),
        segment,
        tail,
        queryText,
        async (method, id, rest, query) => {
          // An open stream is no answer that ends.
          if (method === 'GET' && rest === '/twin/events' && id === 'known') return;
          if (method === 'DELETE' && id === 'known') return;
          expectSane(await platform.request(method, `/api/v1/devices/${id}${rest}?${query}`.replaceAll(' ', '%20')));
        },
      ),
      RUNS,
    );
  });

  it('refuses odd bodies with a problem', async () => {
    const bodies = fc.oneof(
      fc.json({ maxDepth: 6 }),
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.object({ maxDepth: 4 }).map((value) => JSON.stringify({ desired: value })),
      fc.object({ maxDepth: 4 }).map((value) => JSON.stringify({ tags: value, desired: {} })),
      fc.integer({ min: 1, max: 20_000 }).map((depth) => `{"desired":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`),
      fc.constantFrom('{"id":"a","id":"b"}', '{"id":{"$gt":""}}', '\ufeff{}', '{"desired":{"a":-0}}', '[]'),
    );
    const routes = fc.constantFrom(
      ['POST', '/api/v1/devices'],
      ['POST', '/api/v1/tenants'],
      ['PATCH', '/api/v1/devices/known/twin'],
      ['POST', '/api/v1/devices/known/token'],
    );
    await fc.assert(
      fc.asyncProperty(routes, bodies, async ([method, url], rawBody) => {
        expectSane(await platform.request(method as string, url as string, { rawBody: wellFormed(rawBody) }));
      }),
      RUNS,
    );
  });

  it('refuses odd headers with a problem', async () => {
    const names = fc.constantFrom(
      'if-match',
      'if-none-match',
      'idempotency-key',
      'content-type',
      'accept',
      'traceparent',
      'authorization',
    );
    await fc.assert(
      fc.asyncProperty(names, headerText, fc.constantFrom('GET', 'PATCH'), async (name, value, method) => {
        const body = method === 'PATCH' ? { body: { tags: { a: 1 } } } : {};
        expectSane(
          await platform.request(method, '/api/v1/devices/known/twin', { headers: { [name]: value }, ...body }),
        );
      }),
      RUNS,
    );
  });

  it('refuses forged cursors and operation ids', async () => {
    const forged = fc.oneof(
      fc.string({ maxLength: 60 }).map((text) => encodeURIComponent(wellFormed(text))),
      fc.string({ maxLength: 40 }).map((text) => Buffer.from(`devices:${text}`).toString('base64url')),
      fc.string({ maxLength: 40 }).map((text) => Buffer.from(`range:1 2 ${text}`).toString('base64url')),
      fc
        .tuple(fc.nat(), fc.string({ maxLength: 40 }))
        .map(([n, text]) => `op-${n.toString(36)}-${Buffer.from(text).toString('base64url')}`),
    );
    const paths = fc.constantFrom(
      'devices?cursor=',
      'dead-letters?cursor=',
      'devices/known/telemetry?cursor=',
      'devices/known/events?cursor=',
      'operations/',
    );
    await fc.assert(
      fc.asyncProperty(paths, forged, async (path, text) => {
        expectSane(await platform.request('GET', `/api/v1/${path}${text}`));
      }),
      RUNS,
    );
  });

  it('survives odd GraphQL', async () => {
    const bodies = fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.string({ maxLength: 100 }).map((query) => JSON.stringify({ query })),
      fc
        .jsonValue({ maxDepth: 3 })
        .map((variables) => JSON.stringify({ query: 'query ($id: String!) { device(id: $id) { id } }', variables })),
      fc.jsonValue({ maxDepth: 3 }).map((desired) =>
        JSON.stringify({
          query: 'mutation ($i: UpdateDesiredInput!) { updateDesired(input: $i) { error { __typename } } }',
          variables: { i: { deviceId: 'known', desired } },
        }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(bodies, async (rawBody) => {
        const answer = await platform.request('POST', '/graphql', { rawBody: wellFormed(rawBody) });
        expect([answer.status < 500, answer.status, JSON.stringify(answer.body)]).toEqual([
          true,
          answer.status,
          JSON.stringify(answer.body),
        ]);
        for (const error of answer.body?.errors ?? []) expect(error.extensions?.code).not.toBe('INTERNAL');
      }),
      RUNS,
    );
  });
});

/** A lone half of a surrogate pair cannot be sent. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
