import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { deviceKey, type DeviceId, type DeviceKey, type Partition, type TenantId } from '@breakwater/twin';
import { partitionOf } from '@breakwater/wire';

import { secretHash } from './http/authentication.ts';
import { type Answer, type Loose, MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const platform = new MemoryPlatform();
beforeAll(() => platform.start());
afterAll(() => platform.stop());

describe('health', () => {
  it('answers strangers', async () => {
    expect((await platform.request('GET', '/health/live', { key: null })).status).toBe(200);
    const ready = await platform.request('GET', '/health/ready', { key: null });
    expect(ready).toMatchObject({ status: 200, body: { status: 'ready', degraded: [] } });
    const metrics = await platform.request('GET', '/metrics', { key: null });
    expect(metrics.body).toContain('breakwater_http_request_seconds');
  });

  it('is not ready before each shard has a worker', async () => {
    const other = await new MemoryPlatform().start();
    await other.leases.release(2 as Partition, 'worker');
    expect(await readiness(other)).toMatchObject({
      status: 503,
      body: { degraded: [{ part: 'twin-worker', detail: '1 of 4 shards have no worker' }] },
    });
    await other.stop();
  });

  it('is not ready before telemetry can be read once, and then names ClickHouse as degraded only', async () => {
    const other = await new MemoryPlatform().start();
    other.telemetry.isAway = true;
    expect(await readiness(other)).toMatchObject({
      status: 503,
      body: { status: 'not ready', degraded: [{ part: 'clickhouse' }] },
    });
    other.telemetry.isAway = false;
    await until(other, { status: 200, body: { degraded: [] } });
    other.telemetry.isAway = true;
    await until(other, { body: { degraded: [{ part: 'clickhouse' }] } });
    expect(await readiness(other)).toMatchObject({ status: 200, body: { status: 'ready' } });
    await other.stop();
  });

  it('waits for telemetry only so long when it starts', async () => {
    const other = await new MemoryPlatform({ readyWaitsForTelemetryMs: 0 }).start();
    other.telemetry.isAway = true;
    await until(other, { status: 200, body: { degraded: [{ part: 'clickhouse' }] } });
    await other.stop();
  });

  it('stays ready, degraded, while some shards have no worker, and is not while none has', async () => {
    const other = await new MemoryPlatform().start();
    await until(other, { status: 200, body: { degraded: [] } });
    for (const at of [0, 1, 2]) await other.leases.release(at as Partition, 'worker');
    const detail = '3 of 4 shards have no worker';
    await until(other, { body: { degraded: [{ part: 'twin-worker', detail }] } });
    expect(await readiness(other)).toMatchObject({ status: 200 });
    await other.leases.release(3 as Partition, 'worker');
    await until(other, { body: { degraded: [{ detail: '4 of 4 shards have no worker' }] } });
    expect(await readiness(other)).toMatchObject({ status: 503 });
    await other.stop();
  });

  it('is ready without Temporal from the start, and names it as degraded until it is back', async () => {
    const other = await new MemoryPlatform().start();
    other.temporalTrouble = 'it cannot be reached (ECONNREFUSED)';
    const degraded = [{ part: 'temporal', detail: 'it cannot be reached (ECONNREFUSED)' }];
    expect(await readiness(other)).toMatchObject({ status: 200, body: { status: 'ready', degraded } });
    other.temporalTrouble = null;
    await until(other, { status: 200, body: { degraded: [] } });
    await other.stop();
  });

  it('stays ready, degraded, while shards are behind', async () => {
    const other = await new MemoryPlatform({ partitionCount: 1, writeTimeoutMs: 10 }).start();
    await until(other, { status: 200, body: { degraded: [] } });
    await other.worker.stop();
    await other.device('waits');
    await until(other, { body: { degraded: [{ part: 'twin-worker', detail: '1 of 1 shards are behind' }] } });
    expect(await readiness(other)).toMatchObject({ status: 200 });
    await other.stop();
  });
});

function readiness(of: MemoryPlatform): Promise<Answer> {
  return of.request('GET', '/health/ready', { key: null });
}

/** The answer is kept for a moment, so it is asked for until it says so. */
async function until(of: MemoryPlatform, wanted: object): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      expect(await readiness(of)).toMatchObject(wanted);
      return;
    } catch (error) {
      if (attempt === 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('authentication', () => {
  it.each([null, 'wrong-key-that-nobody-knows', `bw_${'a'.repeat(43)}`])('refuses %s', async (key) => {
    const answer = await platform.request('GET', '/api/v1/devices', { key });
    expect(answer.status).toBe(401);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.headers['www-authenticate']).toContain('Bearer');
    expect(answer.body).toMatchObject({ code: 'UNAUTHENTICATED', status: 401, instance: '/api/v1/devices' });
  });

  it('refuses before it reads a body', async () => {
    const rawBody = `{"id":"${'x'.repeat(300_000)}"}`;
    expect((await platform.request('POST', '/api/v1/devices', { key: null, rawBody })).status).toBe(401);
    expect((await platform.request('POST', '/api/v1/devices', { rawBody })).body).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      status: 413,
    });
  });

  it('is not led astray by another spelling of the path', async () => {
    for (const url of [
      '/%61pi/v1/devices',
      '/api/v1/%64evices',
      '//api/v1/devices',
      '/api//v1/devices',
      '/API/v1/devices',
    ]) {
      const { status, headers, body } = await platform.request('GET', url, { key: null });
      expect([401, 403, 404]).toContain(status);
      expect(headers['content-type']).toContain('application/problem+json');
      expect(body.items).toBeUndefined();
    }
  });

  it('takes the trace of the caller', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    expect((await platform.request('GET', '/api/v1/nothing', { headers })).body.traceId).toBe(traceId);
  });
});

describe('tenants', () => {
  it('gets a key that sees its own devices only', async () => {
    const acme = await platform.tenant('acme');
    const other = await platform.tenant('other');
    expect(acme).toMatch(/^bw_/);
    await platform.device('shared-name', acme);
    expect((await platform.request('GET', '/api/v1/devices/shared-name', { key: acme })).status).toBe(200);
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/token'],
      ['GET', '/twin'],
      ['PATCH', '/twin'],
      ['GET', '/twin/events'],
      ['GET', '/telemetry'],
      ['GET', '/events'],
      ['GET', '/twin/history'],
    ] as const) {
      const body = method === 'PATCH' ? { body: { desired: { a: 1 } } } : {};
      const answer = await platform.request(method, `/api/v1/devices/shared-name${path}`, { key: other, ...body });
      expect([method, path, answer.status]).toEqual([method, path, 404]);
      expect(answer.body.code).toBe('NOT_FOUND');
    }
    expect((await platform.request('GET', '/api/v1/devices', { key: other })).body.items).toEqual([]);
  });

  it('is made by the admin only, and once', async () => {
    const key = await platform.tenant('nobody-special');
    const refused = await platform.request('POST', '/api/v1/tenants', { key, body: { id: 'more' } });
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    const again = await platform.request('POST', '/api/v1/tenants', { body: { id: 'nobody-special' } });
    expect(again).toMatchObject({ status: 409, body: { code: 'TENANT_EXISTS' } });
    expect((await platform.request('POST', '/api/v1/tenants', { body: {} })).body.id).toMatch(/^t-[0-9a-f]{16}$/);
    expect((await platform.request('POST', '/api/v1/tenants', { body: { id: 'No Good' } })).status).toBe(400);
    const refusals = ['nobody-special', 'other'].map((tenant) => ({ tenant, reason: 'shed.queue', count: 2 }));
    await platform.refusals.add({ flusherId: 'gw', seq: 1, refusals });
    expect((await platform.request('GET', '/api/v1/ledger')).body.refused).toEqual(refusals);
    const own = (await platform.request('GET', '/api/v1/ledger', { key })).body;
    expect(own).toMatchObject({ tenants: [], balanced: true, imbalances: [], refused: [refusals[0]] });
    expect(own).not.toHaveProperty('partitions');
  });
});

describe('devices', () => {
  it('are created once, with a token that is shown once', async () => {
    const created = await platform.request('POST', '/api/v1/devices', { body: { id: 'pump-1' } });
    expect(created).toMatchObject({ status: 201, body: { id: 'pump-1', token: expect.any(String), incarnation: 1 } });
    expect(created.headers.location).toBe('/api/v1/devices/pump-1');
    const read = await platform.request('GET', '/api/v1/devices/pump-1');
    const profile = { payloadFormat: 'auto', isGateway: false, via: null };
    expect(read.body).toEqual({ id: 'pump-1', createdAt: created.body.createdAt, incarnation: 1, ...profile });
    const again = await platform.request('POST', '/api/v1/devices', { body: { id: 'pump-1' } });
    expect(again).toMatchObject({ status: 409, body: { code: 'DEVICE_EXISTS' } });
    expect((await platform.request('POST', '/api/v1/devices')).status).toBe(201);
    expect((await platform.request('POST', '/api/v1/devices', { rawBody: '' })).status).toBe(201);
  });

  it.each([{ id: 'me' }, { id: '' }, { id: 'a b' }, { id: 'x'.repeat(129) }, { id: 7 }, { id: 'ok', tenant: 'acme' }])(
    'refuses %j',
    async (body) => {
      const answer = await platform.request('POST', '/api/v1/devices', { body });
      expect(answer).toMatchObject({
        status: 400,
        body: { code: 'REQUEST_INVALID', errors: [{ pointer: expect.any(String) }] },
      });
    },
  );

  it('are listed page by page, each once', async () => {
    const key = await platform.tenant('lister');
    for (let at = 0; at < 7; at += 1) await platform.device(`d-${at}`, key);
    const seen: string[] = [];
    let url: string | null = '/api/v1/devices?limit=3';
    while (url !== null) {
      const page: Loose = await platform.request('GET', url, { key });
      seen.push(...page.body.items.map(({ id }: { id: string }) => id));
      const link: RegExpExecArray | null = /^<(.*)>; rel="next"$/.exec(page.headers.link ?? '');
      expect(link === null).toBe(page.body.nextCursor === null);
      url = link?.[1] ?? null;
    }
    expect(seen).toEqual(['d-0', 'd-1', 'd-2', 'd-3', 'd-4', 'd-5', 'd-6']);
  });

  it.each([
    'limit=0',
    'limit=-1',
    'limit=1000000000',
    'limit=1e3',
    'limit=1&limit=2',
    'cursor=forged',
    'offset=1',
    'cursor=',
  ])('refuses the query %s', async (query) => {
    expect((await platform.request('GET', `/api/v1/devices?${query}`)).status).toBe(400);
  });

  it('have a profile: given at their creation, changed by PATCH, which closes their connection', async () => {
    const body = { id: 'binary', payloadFormat: 'cbor', isGateway: true };
    expect(await platform.request('POST', '/api/v1/devices', { body })).toMatchObject({ status: 201, body });
    const { partition, key } = placeOf('binary');
    await platform.sessions.registerGateway('g3', 60_000);
    await platform.sessions.open(partition, key, 'g3');
    const patched = await platform.request('PATCH', '/api/v1/devices/binary', { body: { payloadFormat: 'json' } });
    expect(patched).toMatchObject({ status: 200, body: { payloadFormat: 'json', isGateway: true, via: null } });
    expect((await platform.request('GET', '/api/v1/devices/binary')).body).toEqual(patched.body);
    expect(await platform.downlinks.receive('g3', 0)).toMatchObject([{ kind: 'closeSession', key, reason: 'revoked' }]);
    const absent = await platform.request('PATCH', '/api/v1/devices/nobody', { body: { isGateway: true } });
    expect(absent.status).toBe(404);
  });

  it.each([
    { payloadFormat: 'xml' },
    { isGateway: 'yes' },
    { via: 'plain' },
    { via: 'nobody' },
    { via: 'itself' },
    { isGateway: true, via: 'hub' },
    { via: 'hub', token: 'x' },
  ])('refuse the profile %j', async (profile) => {
    await platform.request('POST', '/api/v1/devices', { body: { id: 'plain' } });
    await platform.request('POST', '/api/v1/devices', { body: { id: 'itself' } });
    await platform.request('POST', '/api/v1/devices', { body: { id: 'hub', isGateway: true } });
    const refused = { status: 400, body: { code: 'REQUEST_INVALID', errors: [{ pointer: expect.any(String) }] } };
    expect(await platform.request('PATCH', '/api/v1/devices/itself', { body: profile })).toMatchObject(refused);
    const created = await platform.request('POST', '/api/v1/devices', { body: { id: 'itself-2', ...profile } });
    expect(created.status).toBe(400);
    expect((await platform.request('GET', '/api/v1/devices/itself-2')).status).toBe(404);
  });

  it('are assigned to a gateway device, as many as it may have', async () => {
    const key = await platform.tenant('with-children');
    const create = (body: object) => platform.request('POST', '/api/v1/devices', { key, body });
    await create({ id: 'hub', isGateway: true });
    expect(await create({ id: 'c1', via: 'hub' })).toMatchObject({ status: 201, body: { via: 'hub' } });
    await create({ id: 'c2' });
    await create({ id: 'c3' });
    const assign = (id: string, via: string | null) =>
      platform.request('PATCH', `/api/v1/devices/${id}`, { key, body: { via } });
    expect(await assign('c2', 'hub')).toMatchObject({ status: 200, body: { via: 'hub' } });
    expect(await assign('c3', 'hub')).toMatchObject({ status: 409, body: { code: 'CHILDREN_LIMIT' } });
    expect(await create({ id: 'c4', via: 'hub' })).toMatchObject({ status: 409, body: { code: 'CHILDREN_LIMIT' } });
    expect((await platform.request('GET', '/api/v1/devices/c4', { key })).status).toBe(404);
    expect(await assign('c1', null)).toMatchObject({ body: { via: null } });
    expect(await assign('c3', 'hub')).toMatchObject({ status: 200, body: { via: 'hub' } });
  });

  it('lose their connection and their old token when it is rotated', async () => {
    const token = await platform.device('rotated');
    const { partition, key } = placeOf('rotated');
    await platform.sessions.registerGateway('g1', 60_000);
    await platform.sessions.open(partition, key, 'g1');
    const rotated = await platform.request('POST', '/api/v1/devices/rotated/token');
    expect(rotated.status).toBe(200);
    expect(rotated.body.token).not.toBe(token);
    expect(await platform.registry.deviceOfToken(secretHash(token))).toBeNull();
    expect(await platform.registry.deviceOfToken(secretHash(rotated.body.token))).not.toBeNull();
    expect(await platform.downlinks.receive('g1', 0)).toMatchObject([{ kind: 'closeSession', key, reason: 'revoked' }]);
  });

  it('are not said to be rid of a connection that could not be closed, and a repeat closes it', async () => {
    await platform.device('clings');
    const { partition, key } = placeOf('clings');
    await platform.sessions.registerGateway('g2', 60_000);
    const { sessionEpoch } = await platform.sessions.open(partition, key, 'g2');
    const full = jest.spyOn(platform.downlinks, 'send').mockResolvedValue([false]);
    const problem = { status: 503, headers: { 'retry-after': '1' }, body: { code: 'SESSION_NOT_CLOSED' } };
    expect(await platform.request('POST', '/api/v1/devices/clings/token')).toMatchObject(problem);
    expect(await platform.request('DELETE', '/api/v1/devices/clings')).toMatchObject(problem);
    expect(await platform.request('DELETE', '/api/v1/devices/clings')).toMatchObject(problem);
    const other = await platform.tenant('not-the-one-of-clings');
    expect((await platform.request('DELETE', '/api/v1/devices/clings', { key: other })).status).toBe(404);
    full.mockRestore();
    expect((await platform.request('DELETE', '/api/v1/devices/clings')).status).toBe(204);
    expect(await platform.downlinks.receive('g2', 0)).toMatchObject([{ kind: 'closeSession', key, reason: 'deleted' }]);
    await platform.sessions.close(partition, key, sessionEpoch);
    expect((await platform.request('DELETE', '/api/v1/devices/clings')).status).toBe(404);
  });

  it('do not wait for a gateway that has lost its lease, since it closes its connections by itself', async () => {
    await platform.device('orphaned');
    const { partition, key } = placeOf('orphaned');
    await platform.sessions.open(partition, key, 'gone');
    const full = jest.spyOn(platform.downlinks, 'send').mockResolvedValue([false]);
    expect((await platform.request('POST', '/api/v1/devices/orphaned/token')).status).toBe(200);
    expect((await platform.request('DELETE', '/api/v1/devices/orphaned')).status).toBe(204);
    full.mockRestore();
  });

  it('are gone after their deletion, and begin anew as another incarnation', async () => {
    await platform.device('short-lived');
    await platform.request('PATCH', '/api/v1/devices/short-lived/twin', { body: { desired: { a: 1 } } });
    expect((await platform.request('DELETE', '/api/v1/devices/short-lived')).status).toBe(204);
    expect((await platform.request('DELETE', '/api/v1/devices/short-lived')).status).toBe(404);
    expect((await platform.request('GET', '/api/v1/devices/short-lived/twin')).status).toBe(404);
    await platform.device('short-lived');
    const twin = await platform.request('GET', '/api/v1/devices/short-lived/twin');
    expect(twin.body).toMatchObject({ id: 'short-lived', desired: {} });
    expect((await platform.request('GET', '/api/v1/devices/short-lived')).body.incarnation).toBe(2);
  });
});

function placeOf(device: string): { partition: Partition; key: DeviceKey } {
  const key = deviceKey('default' as TenantId, device as DeviceId);
  return { key, partition: partitionOf(key, platform.options.partitionCount) };
}
