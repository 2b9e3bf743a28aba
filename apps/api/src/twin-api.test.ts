import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { systemClock } from '@breakwater/twin-runtime';

import { type Loose, MemoryPlatform } from '../test/memory-platform.ts';
import { ControlLag } from './services/control-lag.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const platform = new MemoryPlatform();
beforeAll(() => platform.start());
afterAll(() => platform.stop());

const twinPath = (id: string): string => `/api/v1/devices/${id}/twin`;

describe('GET twin', () => {
  it('answers the empty twin of a new device', async () => {
    await platform.device('fresh');
    const answer = await platform.request('GET', twinPath('fresh'));
    expect(answer.status).toBe(200);
    expect(answer.headers.etag).toBe('"0"');
    expect(answer.body).toMatchObject({
      id: 'fresh',
      version: 0,
      desired: {},
      reported: {},
      delta: {},
      tags: {},
      telemetry: {},
    });
    expect(answer.body.presence).toMatchObject({ connected: false });
  });

  it('answers 304 to whoever has it', async () => {
    await platform.device('cached');
    for (const tag of ['"0"', 'W/"0"', '*', '"7", "0"']) {
      const answer = await platform.request('GET', twinPath('cached'), { headers: { 'if-none-match': tag } });
      expect([tag, answer.status, answer.body, answer.headers.etag]).toEqual([tag, 304, '', '"0"']);
    }
    expect((await platform.request('GET', twinPath('cached'), { headers: { 'if-none-match': '"1"' } })).status).toBe(
      200,
    );
    expect(
      (await platform.request('GET', twinPath('cached'), { headers: { 'if-none-match': 'nonsense' } })).status,
    ).toBe(400);
  });
});

describe('PATCH twin', () => {
  it.each(['application/json', 'application/merge-patch+json', 'application/json; charset=utf-8'])(
    'takes %s',
    async (type) => {
      const id = `typed-${type.length}`;
      await platform.device(id);
      const body = { desired: { interval: 30, mode: { a: 1, b: 2 } }, tags: { site: 'p1' } };
      const answer = await platform.request('PATCH', twinPath(id), { headers: { 'content-type': type }, body });
      expect(answer.status).toBe(200);
      expect(answer.headers.etag).toBe('"1"');
      expect(answer.body).toMatchObject({ version: 1, ...body, delta: body.desired });
      const next = await platform.request('PATCH', twinPath(id), { body: { desired: { mode: { a: null } } } });
      expect(next.body).toMatchObject({ version: 2, desired: { interval: 30, mode: { b: 2 } } });
      expect((await platform.request('GET', twinPath(id))).headers.etag).toBe('"2"');
    },
  );

  it('follows If-Match', async () => {
    await platform.device('matched');
    const patch = (tag: string, value: number) =>
      platform.request('PATCH', twinPath('matched'), { headers: { 'if-match': tag }, body: { desired: { value } } });
    expect((await patch('"0"', 1)).status).toBe(200);
    const stale = await patch('"0"', 2);
    expect(stale).toMatchObject({ status: 412, body: { code: 'TWIN_VERSION_CONFLICT' } });
    expect(stale.headers.etag).toBe('"1"');
    expect((await patch('"9", "1"', 3)).status).toBe(200);
    expect((await patch('*', 4)).status).toBe(200);
    // A weak tag never matches, nor does one that we cannot have given.
    expect((await patch('W/"3"', 5)).status).toBe(412);
    expect((await patch('"abc"', 6)).status).toBe(412);
    expect((await patch('3', 7)).status).toBe(400);
    expect((await platform.request('GET', twinPath('matched'))).body).toMatchObject({
      version: 3,
      desired: { value: 4 },
    });
  });

  it('lets one of two writers with the same version win', async () => {
    await platform.device('raced');
    const answers = await Promise.all(
      [1, 2, 3, 4].map((value) =>
        platform.request('PATCH', twinPath('raced'), { headers: { 'if-match': '"0"' }, body: { desired: { value } } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  });

  it('applies one Idempotency-Key once, whatever is repeated', async () => {
    await platform.device('repeated');
    const send = (value: number) =>
      platform.request('PATCH', twinPath('repeated'), {
        headers: { 'idempotency-key': 'k-1' },
        body: { desired: { value } },
      });
    const all = await Promise.all([send(1), send(1), send(1)]);
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await send(2)).body).toMatchObject({ version: 1, desired: { value: 1 } });
    expect(
      (
        await platform.request('PATCH', twinPath('repeated'), {
          headers: { 'idempotency-key': 'a b' },
          body: { tags: {} },
        })
      ).status,
    ).toBe(400);
  });

  it('keeps two devices with the same Idempotency-Key apart', async () => {
    await platform.device('same-key-1');
    await platform.device('same-key-2');
    const send = (id: string) =>
      platform.request('PATCH', twinPath(id), { headers: { 'idempotency-key': 'same' }, body: { desired: { id } } });
    const answers = await Promise.all([send('same-key-1'), send('same-key-2')]);
    expect(answers.map(({ body }) => body.desired.id)).toEqual(['same-key-1', 'same-key-2']);
  });

  it.each([
    {},
    { reported: {} },
    { desired: 1 },
    { desired: [] },
    { desired: null },
    { desired: {}, extra: 1 },
    [],
    null,
    'text',
    7,
  ])('refuses the body %j', async (body) => {
    await platform.device('strict').catch(() => undefined);
    const answer = await platform.request('PATCH', twinPath('strict'), { body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
  });

  it.each([
    '{"desired":{"__proto__":{"a":1}}}',
    '{"desired":{"a":{"constructor":{"prototype":{"b":1}}}}}',
    '{"desired":',
    '',
    'null',
  ])('refuses the text %s', async (rawBody) => {
    await platform.device('strict').catch(() => undefined);
    expect((await platform.request('PATCH', twinPath('strict'), { rawBody })).status).toBe(400);
  });

  it('keeps keys that only look dangerous', async () => {
    await platform.device('odd-keys');
    const desired = { constructor: 1, prototype: { toString: 2 }, hasOwnProperty: 3, '': 4 };
    const answer = await platform.request('PATCH', twinPath('odd-keys'), { body: { desired } });
    expect(answer.body.desired).toEqual(desired);
  });

  it('refuses what a twin cannot hold', async () => {
    await platform.device('strict').catch(() => undefined);
    const send = (desired: unknown) => platform.request('PATCH', twinPath('strict'), { body: { desired } });
    expect(await send(JSON.parse('{"a":'.repeat(9) + '1' + '}'.repeat(9)))).toMatchObject({
      status: 422,
      body: { code: 'JSON_TOO_DEEP' },
    });
    expect(await send({ a: 'x'.repeat(66_000) })).toMatchObject({ status: 422, body: { code: 'TWIN_TOO_LARGE' } });
    const rawBody = `{"desired":{"a":${'['.repeat(60_000)}${']'.repeat(60_000)}}}`;
    expect(await platform.request('PATCH', twinPath('strict'), { rawBody })).toMatchObject({ status: 422 });
    expect((await platform.request('PATCH', twinPath('strict'), { rawBody: '{"desired":{"a":1e999}}' })).status).toBe(
      422,
    );
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json-patch+json', 'multipart/form-data'])(
    'refuses the content type %s',
    async (type) => {
      const answer = await platform.request('PATCH', twinPath('strict'), {
        headers: { 'content-type': type },
        rawBody: 'a=1',
      });
      expect(answer).toMatchObject({ status: 415, body: { code: 'CONTENT_TYPE_UNSUPPORTED' } });
    },
  );

  it('is answered without a hint too', async () => {
    await platform.device('unhinted');
    platform.worker.publishesAnswers = false;
    try {
      const answer = await platform.request('PATCH', twinPath('unhinted'), { body: { desired: { a: 1 } } });
      expect(answer).toMatchObject({ status: 200, body: { desired: { a: 1 } } });
    } finally {
      platform.worker.publishesAnswers = true;
    }
  });
});

describe('a write whose twin does not answer', () => {
  it('is 504 with an operation that can be asked for, and 503 for the next ones until the shard is back', async () => {
    const slow = await new MemoryPlatform({ writeTimeoutMs: 300, partitionCount: 1 }).start();
    try {
      await slow.device('slow');
      const other = await slow.tenant('other');
      await slow.worker.stop();
      await slow.worker.applyAll();
      const answer = await slow.request('PATCH', twinPath('slow'), { body: { desired: { a: 1 } } });
      expect(answer).toMatchObject({
        status: 504,
        body: { code: 'OPERATION_PENDING', operationId: expect.any(String) },
      });
      const url = `/api/v1/operations/${answer.body.operationId}`;
      expect(answer.headers.location).toBe(url);
      expect((await slow.request('GET', url)).body).toMatchObject({ deviceId: 'slow', status: 'pending' });
      expect((await slow.request('GET', url, { key: other })).status).toBe(404);

      const appendedBefore = (await slow.log.bounds('control', 0 as never)).end;
      let refused = await slow.request('PATCH', twinPath('slow'), { body: { desired: { b: 1 } } });
      if (refused.status === 504)
        refused = await slow.request('PATCH', twinPath('slow'), { body: { desired: { b: 1 } } });
      expect(refused).toMatchObject({
        status: 503,
        body: { code: 'CONTROL_LAGGING' },
        headers: { 'retry-after': '1' },
      });
      expect((await slow.request('GET', '/health/ready', { key: null })).status).toBe(503);
      expect((await slow.log.bounds('control', 0 as never)).end).toBeLessThanOrEqual(appendedBefore + 1);

      await slow.worker.applyAll();
      expect((await slow.request('GET', url)).body).toMatchObject({ status: 'applied', version: 1, error: null });
      expect((await slow.request('GET', twinPath('slow'))).body.desired).toMatchObject({ a: 1 });
    } finally {
      await slow.stop();
    }
  });

  it('is 503 when the lane is full, with nothing written', async () => {
    const full = await new MemoryPlatform({ laneBytesMax: 800, partitionCount: 1 }).start();
    try {
      await full.device('only');
      let answer = await full.request('PATCH', twinPath('only'), { body: { desired: { a: 'x'.repeat(200) } } });
      for (let at = 0; at < 10 && answer.status === 200; at += 1) {
        answer = await full.request('PATCH', twinPath('only'), { body: { desired: { a: 'y'.repeat(200 + at) } } });
      }
      expect(answer).toMatchObject({ status: 503, body: { code: 'LANE_FULL' }, headers: { 'retry-after': '1' } });
      // A device that could not be recorded is not left half-made.
      const created = await full.request('POST', '/api/v1/devices', { body: { id: 'more' } });
      expect(created.status).toBe(503);
      expect((await full.request('GET', '/api/v1/devices/more')).status).toBe(404);
    } finally {
      await full.stop();
    }
  });

  it('answers 404 for operations that never were', async () => {
    await platform.device('asked');
    for (const id of [
      'op-0-abc',
      'nonsense',
      'op-zzzzzz-YXNrZWQva2V5',
      `op-0-${Buffer.from('asked/key').toString('base64url')}`,
    ]) {
      expect([id, (await platform.request('GET', `/api/v1/operations/${id}`)).status]).toEqual([id, 404]);
    }
  });
});

describe('telemetry, events, dead letters and the ledger', () => {
  it('pages through raw telemetry within a range that stands still', async () => {
    await platform.device('measured');
    const nowMs = Date.now();
    platform.telemetry.points = Array.from({ length: 5 }, (_, at) => ({
      tsMs: nowMs - 1_000 * at,
      key: 'a',
      value: at,
    }));
    const first = await platform.request('GET', '/api/v1/devices/measured/telemetry?key=a,b&key=c&limit=2');
    expect(first.body.items).toEqual([
      { ts: nowMs, key: 'a', value: 0 },
      { ts: nowMs - 1_000, key: 'a', value: 1 },
    ]);
    const range = platform.telemetry.lastQuery as { fromMs: number; toMs: number };
    expect(range).toMatchObject({ keys: ['a', 'b', 'c'], toMs: range.fromMs + 86_400_000 });
    const next = await platform.request(
      'GET',
      `/api/v1/devices/measured/telemetry?limit=2&cursor=${first.body.nextCursor}`,
    );
    expect(next.body.items).toHaveLength(2);
    expect(platform.telemetry.lastQuery).toMatchObject({ fromMs: range.fromMs, toMs: range.toMs });
  });

  it('hands steps and aggregates on', async () => {
    await platform.device('rolled');
    const answer = await platform.request('GET', '/api/v1/devices/rolled/telemetry?from=0&to=7200000&step=1h&agg=max');
    expect(answer.body).toEqual({ items: [{ ts: 0, key: 'a', value: 1 }], nextCursor: null });
    expect(platform.telemetry.lastQuery).toMatchObject({ stepMs: 3_600_000, agg: 'max', fromMs: 0, toMs: 7_200_000 });
    await platform.request('GET', '/api/v1/devices/rolled/telemetry?step=60000');
    expect(platform.telemetry.lastQuery).toMatchObject({ stepMs: 60_000, agg: 'avg' });
  });

  it.each([
    'from=5&to=5',
    'from=9&to=5',
    'from=-1',
    'from=x',
    'to=99999999999999999',
    'step=0',
    'step=1y',
    'step=10ms',
    'agg=avg',
    'agg=p99&step=1m',
    'key=a%20b',
    'key=',
    'cursor=forged',
    'limit=501',
  ])('refuses the query %s', async (query) => {
    await platform.device('asked').catch(() => undefined);
    expect((await platform.request('GET', `/api/v1/devices/asked/telemetry?${query}`)).status).toBe(400);
  });

  it('says which cursor is forged', async () => {
    const cursor = Buffer.from('range:1 2 evil').toString('base64url');
    await platform.device('asked').catch(() => undefined);
    const answer = await platform.request('GET', `/api/v1/devices/asked/telemetry?cursor=${cursor}`);
    expect(answer).toMatchObject({ status: 400, body: { code: 'CURSOR_INVALID' } });
    expect((await platform.request('GET', '/api/v1/dead-letters?cursor=evil')).body.code).toBe('CURSOR_INVALID');
  });

  it('shows what a twin was, newest first and in pages', async () => {
    await platform.device('asked').catch(() => undefined);
    const change = (number: number) => ({
      ...{ tsMs: 1_000 + number, incarnation: 1, changeNumber: number, version: number, reportedVersion: 0 },
      ...{ sections: ['desired'], document: { id: 'asked', version: number } },
    });
    platform.telemetry.history = [change(3), change(2), change(1)];
    const path = '/api/v1/devices/asked/twin/history?from=1000&to=2000&limit=2';
    const first = await platform.request('GET', path);
    expect(first.status).toBe(200);
    expect(first.body.items).toEqual([
      { ts: 1_003, sections: ['desired'], twin: { id: 'asked', version: 3 } },
      { ts: 1_002, sections: ['desired'], twin: { id: 'asked', version: 2 } },
    ]);
    const second = await platform.request('GET', `${path}&cursor=${String(first.body.nextCursor)}`);
    expect(second.body).toEqual({
      items: [{ ts: 1_001, sections: ['desired'], twin: { id: 'asked', version: 1 } }],
      nextCursor: null,
    });
    expect(platform.telemetry.lastQuery).toMatchObject({ fromMs: 1_000, toMs: 2_000, limit: 2 });
    const evil = await platform.request('GET', '/api/v1/devices/asked/twin/history?cursor=evil');
    expect(evil.body.code).toBe('CURSOR_INVALID');
  });

  it('answers 503 while ClickHouse is away, and twins go on', async () => {
    await platform.device('asked').catch(() => undefined);
    platform.telemetry.isAway = true;
    try {
      const answer = await platform.request('GET', '/api/v1/devices/asked/telemetry');
      expect(answer).toMatchObject({ status: 503, body: { code: 'BACKEND_UNAVAILABLE' } });
      expect(JSON.stringify(answer.body)).not.toContain('ClickHouse');
      expect((await platform.request('GET', twinPath('asked'))).status).toBe(200);
      expect((await platform.request('GET', '/api/v1/ledger')).body).toMatchObject({ degraded: ['writer'] });
    } finally {
      platform.telemetry.isAway = false;
    }
  });

  it('adds up in the ledger', async () => {
    const { body } = await platform.request('GET', '/api/v1/ledger');
    expect(body.partitions).toHaveLength(2 * platform.options.partitionCount);
    for (const { appended, consumers } of [...body.partitions, ...(Object.values(body.lanes) as Loose[])]) {
      for (const { position, inFlight } of Object.values(consumers) as Loose[])
        expect(position + inFlight).toBe(appended);
    }
    const { twins } = body.lanes.control.consumers;
    expect(Object.values(twins.outcomes as Record<string, number>).reduce((sum, count) => sum + count, 0)).toBe(
      twins.position,
    );
  });
});

describe('writes that come together', () => {
  it('wait up to their number, and the others are refused before anything is written', async () => {
    const small = await new MemoryPlatform({ writesInFlightMax: 2, writeTimeoutMs: 500 }).start();
    try {
      await small.device('crowded');
      await small.worker.stop();
      // As slow as a store on another machine: all of them are admitted, or not, while the first one waits for it.
      jest.spyOn(small.app.get(ControlLag), 'lagMs').mockImplementation(async () => {
        await systemClock.sleep(100);
        return 0;
      });
      const patches = Array.from({ length: 8 }, (_, value) =>
        small.request('PATCH', twinPath('crowded'), { body: { desired: { value } } }),
      );
      const codes = (await Promise.all(patches)).map(({ body }) => body.code as string);
      expect(codes.filter((code) => code === 'OPERATION_PENDING')).toHaveLength(2);
      expect(codes.filter((code) => code === 'CONTROL_LAGGING')).toHaveLength(6);
    } finally {
      await small.stop();
    }
  });
});
