import { generateKeyPairSync } from 'node:crypto';

import { makeCa, makeCertificate, makeCrl, type TestCertificate } from '@breakwater/device-trust/testing';
import type { TenantId } from '@breakwater/twin';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const PARTS = ['device-ca', 'crl', 'jwks'] as const;
const PEM = { 'content-type': 'application/x-pem-file' };

describe('what a tenant trusts', () => {
  const platform = new MemoryPlatform();
  let acme: string;
  let other: string;
  let ca: TestCertificate;
  beforeAll(async () => {
    await platform.start();
    [acme, other] = [await platform.tenant('acme'), await platform.tenant('other')];
    ca = await makeCa('CN=devices of acme');
  });
  afterAll(() => platform.stop());

  const url = (part: string, tenant = 'acme'): string => `/api/v1/tenants/${tenant}/${part}`;
  const put = (part: string, body: unknown, key: string | null = acme, tenant = 'acme') =>
    platform.request('PUT', url(part, tenant), { key, body });
  const jwkOf = (kid: string) => ({
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
    kid,
  });

  it('is set, read and taken away by the tenant, and by the admin for every tenant', async () => {
    const leaf = await makeCertificate({ subject: 'CN=pump-7', issuer: ca });
    for (const key of [acme, undefined]) {
      const asWho = key === undefined ? {} : { key };
      const bodies = {
        'device-ca': { pem: ca.pem },
        crl: { pem: await makeCrl(ca, [leaf]) },
        jwks: { keys: [jwkOf('k1')] },
      };
      for (const part of PARTS) {
        expect(await platform.request('GET', url(part), asWho)).toMatchObject({ status: 404 });
        const set = await platform.request('PUT', url(part), { ...asWho, body: bodies[part] });
        expect([part, set.status]).toEqual([part, 200]);
        expect(await platform.request('GET', url(part), asWho)).toMatchObject({ status: 200, body: set.body });
      }
      expect((await platform.request('GET', url('device-ca'), asWho)).body.certificates).toEqual([
        expect.objectContaining({ subject: 'CN=devices of acme', notAfter: expect.any(Number) }),
      ]);
      expect((await platform.request('GET', url('crl'), asWho)).body.lists).toMatchObject([{ revoked: 1 }]);
      for (const part of PARTS.toReversed()) {
        expect((await platform.request('DELETE', url(part), asWho)).status).toBe(204);
        expect((await platform.request('DELETE', url(part), asWho)).status).toBe(404);
      }
    }
  });

  it('is nothing to other tenants, nor to strangers', async () => {
    for (const part of PARTS) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const body = method === 'PUT' ? { body: part === 'jwks' ? { keys: [jwkOf('k')] } : { pem: ca.pem } } : {};
        for (const [key, status] of [
          [other, 404],
          [null, 401],
        ] as const) {
          const answer = await platform.request(method, url(part), { key, ...body });
          expect([method, part, answer.status]).toEqual([method, part, status]);
        }
        expect((await platform.request(method, url(part, 'nobody'), body)).status).toBe(404);
      }
    }
    expect(await platform.trust.find('nobody' as TenantId)).toBeNull();
  });

  it('takes PEM as other tools write it', async () => {
    const answer = await platform.request('PUT', url('device-ca'), { key: acme, rawBody: ca.pem, headers: PEM });
    expect(answer).toMatchObject({ status: 200, body: { pem: ca.pem } });
    const misplaced = await platform.request('POST', '/api/v1/devices', { rawBody: ca.pem, headers: PEM });
    expect(misplaced.status).toBe(400);
    await platform.request('DELETE', url('device-ca'), { key: acme });
  });

  it('lets the key of a CA vouch for one tenant only', async () => {
    expect((await put('device-ca', { pem: ca.pem })).status).toBe(200);
    const renewed = await makeCertificate({ subject: 'CN=another name', isCa: true, keys: ca.keys });
    for (const { pem } of [ca, renewed]) {
      expect(await put('device-ca', { pem }, other, 'other')).toMatchObject({
        status: 409,
        body: { code: 'CA_TAKEN' },
      });
    }
    expect((await put('device-ca', { pem: ca.pem + renewed.pem })).status).toBe(200);
    expect((await platform.request('DELETE', url('device-ca'), { key: acme })).status).toBe(204);
    expect((await put('device-ca', { pem: ca.pem }, other, 'other')).status).toBe(200);
    expect((await platform.request('DELETE', url('device-ca', 'other'), { key: other })).status).toBe(204);
  });

  it('is refused with a reason where it cannot be trusted', async () => {
    const leaf = await makeCertificate({ subject: 'CN=pump-7', issuer: ca });
    const expired = await makeCertificate({ subject: 'CN=old', isCa: true, notAfter: new Date(Date.now() - 1_000) });
    const impostor = await makeCa('CN=devices of acme');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(await put('crl', { pem: await makeCrl(ca, []) })).toMatchObject({
      status: 422,
      body: { code: 'CRL_INVALID', detail: expect.stringMatching(/put the CA first/) },
    });
    await put('device-ca', { pem: ca.pem });
    const cases = [
      ['device-ca', { pem: 'nothing' }, 422, 'CERTIFICATE_INVALID'],
      ['device-ca', { pem: leaf.pem }, 422, 'CERTIFICATE_INVALID'],
      ['device-ca', { pem: expired.pem }, 422, 'CERTIFICATE_INVALID'],
      ['device-ca', { pem: ca.pem + ca.keyPem }, 422, 'CERTIFICATE_INVALID'],
      ['device-ca', {}, 400, 'REQUEST_INVALID'],
      ['device-ca', { pem: ca.pem, more: 1 }, 400, 'REQUEST_INVALID'],
      ['device-ca', { pem: 'x'.repeat(300_000) }, 413, 'PAYLOAD_TOO_LARGE'],
      ['crl', { pem: await makeCrl(impostor, [leaf]) }, 422, 'CRL_INVALID'],
      ['crl', { pem: ca.pem }, 422, 'CRL_INVALID'],
      ['jwks', { keys: [] }, 400, 'REQUEST_INVALID'],
      ['jwks', { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'k' }] }, 422, 'JWKS_INVALID'],
      ['jwks', { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'k' }] }, 422, 'JWKS_INVALID'],
    ] as const;
    for (const [part, body, status, code] of cases) {
      const answer = await put(part, body);
      expect([part, answer.status, answer.body.code]).toEqual([part, status, code]);
    }
    // What was good before is untouched.
    expect((await platform.request('GET', url('device-ca'), { key: acme })).body.pem).toBe(ca.pem);
    const metrics = await platform.request('GET', '/metrics', { key: null });
    expect(metrics.body).toMatch(/audit_events_total\{[^}]*event="trustChanged"/);
  });
});
