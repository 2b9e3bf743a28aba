import { createHmac, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

import type { DeviceId, TenantId } from '@breakwater/twin';
import { describe, expect, it, jest } from '@jest/globals';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';

import { type JwtRules, type JwtVerdict, looksLikeJwt, verifyDeviceJwt } from './device-jwt.ts';
import { type DeviceKeySet, readKeySet } from './key-set.ts';

const NOW_MS = 1_790_000_000_000;
const NOW_S = NOW_MS / 1_000;
const HOUR_S = 3_600;
const ACME = 'acme' as TenantId;
const OTHER = 'other' as TenantId;

interface Signer {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

async function makeSigner(alg: string, kid: string): Promise<Signer> {
  const { publicKey, privateKey } = alg.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : alg === 'ES384' ? 'P-384' : 'P-521' })
    : alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid } };
}

function sign(signer: Signer, claims: JWTPayload = {}, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ tenant: ACME, sub: 'pump-7', aud: 'breakwater', exp: NOW_S + HOUR_S, ...claims })
    .setProtectedHeader({ alg: signer.alg, kid: signer.kid, ...header } as never)
    .sign(signer.privateKey);
}

function signCritical(signer: Signer): Promise<string> {
  return new SignJWT({ tenant: ACME, sub: 'pump-7', aud: 'breakwater', exp: NOW_S + HOUR_S })
    .setProtectedHeader({ alg: signer.alg, kid: signer.kid, crit: ['urn:x'], 'urn:x': true })
    .sign(signer.privateKey, { crit: { 'urn:x': true } });
}

function keysOf(...jwks: readonly Record<string, unknown>[]): DeviceKeySet {
  const read = readKeySet({ keys: jwks });
  if (read.kind === 'refused') throw new Error(read.detail);
  return read.keys;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a JWT that a device shows', () => {
  const verify = (
    token: string,
    sets: Partial<Record<string, DeviceKeySet>>,
    rules: Partial<JwtRules> = {},
  ): Promise<JwtVerdict> =>
    verifyDeviceJwt(Buffer.from(token), {
      audience: 'breakwater',
      issuer: '',
      lifeMsMax: 86_400_000,
      clockSkewMs: 30_000,
      nowMs: NOW_MS,
      findKey: (tenant, kid) => sets[tenant]?.get(kid),
      ...rules,
    });

  it.each(['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'])('is good with %s', async (alg) => {
    const signer = await makeSigner(alg, 'k1');
    const token = await sign(signer);
    expect(looksLikeJwt(Buffer.from(token))).toBe(true);
    expect(await verify(token, { acme: keysOf(signer.jwk) })).toEqual({
      kind: 'verified',
      tenant: ACME,
      device: 'pump-7' as DeviceId,
      kid: 'k1',
      keyHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      expiresAtMs: NOW_MS + HOUR_S * 1_000,
    });
  });

  it('is good of any issuer, unless one is named', async () => {
    const signer = await makeSigner('ES256', 'k1');
    const sets = { acme: keysOf(signer.jwk) };
    const issuer = 'https://id.acme.example';
    expect(await verify(await sign(signer, { iss: 'https://elsewhere.example' }), sets)).toMatchObject({
      kind: 'verified',
    });
    expect(await verify(await sign(signer, { iss: issuer }), sets, { issuer })).toMatchObject({ kind: 'verified' });
    for (const claims of [{}, { iss: 'https://elsewhere.example' }]) {
      const verdict = await verify(await sign(signer, claims), sets, { issuer });
      expect(verdict).toMatchObject({ kind: 'refused', code: 'JWT_INVALID', detail: expect.stringContaining('iss') });
    }
  });

  it('is refused in each of the ways in which tokens are forged, quickly and with a reason', async () => {
    const rsa = await makeSigner('RS256', 'k1');
    const own = await makeSigner('ES256', 'k1');
    const theirs = await makeSigner('ES256', 'k1');
    const sets = { acme: keysOf(own.jwk), other: keysOf(theirs.jwk), rsa: keysOf(rsa.jwk) };
    const good = await sign(own);
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const claims = { tenant: ACME, sub: 'pump-7', aud: 'breakwater', exp: NOW_S + HOUR_S };
    const rsaClaims = `${encode({ alg: 'HS256', kid: 'k1' })}.${encode({ ...claims, tenant: 'rsa' })}`;
    const publicPem = JSON.stringify(rsa.jwk);
    const confused = `${rsaClaims}.${createHmac('sha256', publicPem).update(rsaClaims).digest('base64url')}`;
    const embedded = await sign(
      theirs,
      {},
      { jwk: theirs.jwk, jku: 'https://127.0.0.1/keys', x5u: 'https://127.0.0.1/' },
    );
    const cases: readonly (readonly [string, string, RegExp])[] = [
      ['alg none', `${encode({ alg: 'none', kid: 'k1' })}.${payload}.`, /`alg` is not allowed/],
      ['HS256 with the public key', confused, /`alg` is not allowed/],
      ['an empty signature', `${header}.${payload}.`, /signature/],
      ['a signature of other bytes', `${header}.${payload}.${randomBytes(64).toString('base64url')}`, /signature/],
      ['an unknown kid', await sign({ ...own, kid: 'k2' }), /`kid` is no key/],
      ['a path as kid', await sign({ ...own, kid: '../../dev/null' }), /`kid` is no key/],
      ['a prototype as kid', await sign({ ...own, kid: '__proto__' }), /`kid` is no key/],
      ['keys of its own', embedded, /signature/],
      [
        'an alg that is not the key’s',
        `${encode({ alg: 'RS256', kid: 'k1' })}.${payload}.${signature}`,
        /not that of the key/,
      ],
      ['exp in the past', await sign(own, { exp: NOW_S - 1 }), /has expired/],
      ['nbf in the future', await sign(own, { nbf: NOW_S + 60 }), /nbf/],
      ['iat in the future', await sign(own, { iat: NOW_S + 60 }), /`iat` is in the future/],
      ['another audience', await sign(own, { aud: 'elsewhere' }), /aud/],
      ['no exp', await sign(own, { exp: undefined } as never), /no `exp`/],
      ['a life that is too long', await sign(own, { exp: NOW_S + 86_401 }), /good for longer/],
      [
        'a long life behind an old iat',
        await sign(own, { iat: NOW_S - 86_000, exp: NOW_S + HOUR_S }),
        /good for longer/,
      ],
      ['another tenant, claimed', `${header}.${encode({ ...claims, tenant: OTHER })}.${signature}`, /signature/],
      ['another device, claimed', `${header}.${encode({ ...claims, sub: 'pump-8' })}.${signature}`, /signature/],
      ['another tenant’s key', await sign(theirs), /signature/],
      ['no tenant', await sign(own, { tenant: undefined } as never), /no tenant id/],
      ['a device id that is none', await sign(own, { sub: 'me' }), /no device id/],
      ['a critical header that nobody knows', await signCritical(own), /not recognized/],
      ['1 MB', `${header}.${'A'.repeat(1024 * 1024)}.${signature}`, /8192 bytes at most/],
      ['no JSON', `eyJ.${payload}.${signature}`, /JSON objects/],
    ];
    for (const [name, token, reason] of cases) {
      const startedAt = performance.now();
      const verdict = await verify(token, sets);
      expect([name, verdict]).toEqual([
        name,
        { kind: 'refused', code: expect.stringMatching(/^JWT_/), detail: expect.stringMatching(reason) },
      ]);
      // Wide, for a busy machine; what is meant is: no work that grows with what was sent.
      expect([name, performance.now() - startedAt < 1_000]).toEqual([name, true]);
    }
    expect((await verify(good, sets)).kind).toBe('verified');
  });

  it('costs a signature only if it is whole, in time, and of a key that is known', async () => {
    const own = await makeSigner('ES256', 'k1');
    const findKey = jest.fn<JwtRules['findKey']>(() => undefined);
    for (const token of [await sign(own, { exp: NOW_S - 1 }), `${encode({ alg: 'none' })}.e30.x`, 'eyJ.a.b']) {
      expect((await verify(token, {}, { findKey })).kind).toBe('refused');
    }
    expect(findKey).not.toHaveBeenCalled();
    const startedAt = performance.now();
    const keys = { acme: keysOf(own.jwk) };
    const [header, payload] = (await sign(own)).split('.') as [string, string];
    for (let attempt = 0; attempt < 1_000; attempt += 1) {
      const forged = `${header}.${payload}.${randomBytes(64).toString('base64url')}`;
      expect((await verify(forged, keys)).kind).toBe('refused');
    }
    expect((performance.now() - startedAt) / 1_000).toBeLessThan(20);
  });

  it('takes no token of a device for a JWT', () => {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      expect(looksLikeJwt(randomBytes(32).toString('base64url') as never)).toBe(false);
    }
  });
});

describe('a key set', () => {
  it.each([
    ['no keys', { keys: [] }, /1 to 20/],
    ['no list', [], /a list `keys`/],
    ['a shared secret', { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'k' }] }, /private member `k`/],
    ['an unknown kind', { keys: [{ kty: 'XYZ', kid: 'k' }] }, /no public key/],
  ])('is refused with %s', (_, jwks, detail) => {
    expect(readKeySet(jwks)).toEqual({ kind: 'refused', code: 'JWKS_INVALID', detail: expect.stringMatching(detail) });
  });

  it('takes no private key, no weak key, and no two keys of one name', async () => {
    const signer = await makeSigner('ES256', 'k1');
    const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey;
    const exponent = generateKeyPairSync('rsa', { modulusLength: 2_048, publicExponent: 3 }).publicKey;
    const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey;
    const jwkOf = (key: KeyObject) => ({ ...key.export({ format: 'jwk' }), kid: 'k' });
    const cases = [
      [{ ...signer.privateKey.export({ format: 'jwk' }), kid: 'k' }, /private member `d`/],
      [jwkOf(weak), /needs 2048 bits/],
      [jwkOf(exponent), /exponent/],
      [jwkOf(curve), /P-256, P-384 or P-521/],
      [{ ...signer.jwk, kid: undefined }, /`kid`/],
      [{ ...signer.jwk, use: 'enc' }, /`use`/],
      [{ ...signer.jwk, key_ops: ['sign'] }, /`key_ops`/],
      [{ ...signer.jwk, alg: 'HS256' }, /`alg`/],
      [{ ...signer.jwk, alg: 'ES384' }, /`alg`/],
    ] as const;
    for (const [jwk, detail] of cases) {
      expect(readKeySet({ keys: [jwk] })).toMatchObject({ detail: expect.stringMatching(detail) });
    }
    expect(readKeySet({ keys: [signer.jwk, signer.jwk] })).toMatchObject({ detail: expect.stringMatching(/two keys/) });
    expect(readKeySet({ keys: [{ ...signer.jwk, alg: 'ES256', use: 'sig' }] }).kind).toBe('read');
  });
});
