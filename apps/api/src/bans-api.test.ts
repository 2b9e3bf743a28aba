import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { DeviceId, TenantId } from '@breakwater/twin';

import { MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const platform = new MemoryPlatform();
let acmeKey: string;

async function banDevice(tenant: string, device: string): Promise<void> {
  const subject = {
    kind: 'device',
    tenant: tenant as TenantId,
    device: device as DeviceId,
    credential: 'd1ge57',
  } as const;
  await platform.bans.put({ subject, reason: 'flapping', durationMs: 3_600_000 });
}

async function banAddress(address: string): Promise<void> {
  const subject = { kind: 'address', address } as const;
  await platform.bans.put({ subject, reason: 'authenticationFailures', durationMs: 3_600_000 });
}

async function ids(key?: string): Promise<string[]> {
  const { body } = await platform.request('GET', '/api/v1/bans', key === undefined ? {} : { key });
  return (body.items as { id: string }[]).map(({ id }) => id);
}

beforeAll(async () => {
  await platform.start();
  acmeKey = await platform.tenant('acme');
  await banDevice('acme', 'pump:1');
  await banDevice('default', 'pump-2');
  await banAddress('2001:db8:0:1::');
});
afterAll(() => platform.stop());

describe('bans', () => {
  it('are shown with all but the credential', async () => {
    const { status, body } = await platform.request('GET', '/api/v1/bans', { key: acmeKey });
    expect(status).toBe(200);
    expect(body).toEqual({
      items: [
        {
          id: 'device:acme:pump:1',
          kind: 'device',
          tenant: 'acme',
          device: 'pump:1',
          address: null,
          reason: 'flapping',
          since: expect.any(Number),
          until: expect.any(Number),
        },
      ],
      nextCursor: null,
    });
    expect(body.items[0].until - body.items[0].since).toBe(3_600_000);
  });

  it('of addresses and of all tenants are shown to the admin key only', async () => {
    expect(await ids()).toEqual(['address:2001:db8:0:1::', 'device:acme:pump:1', 'device:default:pump-2']);
    expect(await ids(acmeKey)).toEqual(['device:acme:pump:1']);
    expect((await platform.request('GET', '/api/v1/bans', { key: null })).status).toBe(401);
  });

  it('come in pages', async () => {
    const first = await platform.request('GET', '/api/v1/bans?limit=2');
    expect(first.body.items).toHaveLength(2);
    expect(first.headers['link']).toContain('rel="next"');
    const next = await platform.request('GET', `/api/v1/bans?limit=2&cursor=${first.body.nextCursor}`);
    expect(next.body).toMatchObject({ items: [{ id: 'device:default:pump-2' }], nextCursor: null });
    expect((await platform.request('GET', '/api/v1/bans?cursor=forged')).status).toBe(400);
  });

  it('are lifted by who may see them, once, and by nobody else', async () => {
    const lift = (id: string, key?: string) =>
      platform.request('DELETE', `/api/v1/bans/${id}`, key === undefined ? {} : { key });
    for (const id of ['device:default:pump-2', 'address:2001:db8:0:1::', 'device:acme:none']) {
      expect(await lift(id, acmeKey)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    }
    expect((await lift('nonsense')).status).toBe(400);
    expect((await lift('device:acme:pump:1', acmeKey)).status).toBe(204);
    expect((await lift('device:acme:pump:1', acmeKey)).status).toBe(404);
    expect((await lift(encodeURIComponent('address:2001:db8:0:1::'))).status).toBe(204);
    expect(await ids()).toEqual(['device:default:pump-2']);
    const { body } = await platform.request('GET', '/metrics', { key: null });
    expect(body).toMatch(/breakwater_audit_events_total\{event="banLifted".*\} 2/);
  });
});
