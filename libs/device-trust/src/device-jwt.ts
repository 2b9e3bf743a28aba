import { isDeviceId, isTenantId, type DeviceId, type TenantId } from '@breakwater/twin';
import { jwtVerify } from 'jose';

import { type DeviceKey, JWT_ALGORITHMS } from './key-set.ts';
import { refused, type TrustRefusal } from './trust-refusal.ts';

export interface JwtRules {
  readonly audience: string;
  /** Empty: whoever has a key of the tenant may issue. */
  readonly issuer: string;
  /** From its issue, or from now, to its end. */
  readonly lifeMsMax: number;
  /** How far the clock of who issued it may be ahead of ours. */
  readonly clockSkewMs: number;
  readonly nowMs: number;
  readonly findKey: (tenant: TenantId, kid: string) => DeviceKey | undefined;
}

export type JwtVerdict =
  | TrustRefusal
  | {
      readonly kind: 'verified';
      readonly tenant: TenantId;
      readonly device: DeviceId;
      readonly kid: string;
      readonly keyHash: string;
      readonly expiresAtMs: number;
    };

/** Before anything is decoded. A token with a few claims and an RSA signature of 4,096 bits has a quarter of this. */
const JWT_BYTES_MAX = 8 * 1024;
const KID_LENGTH_MAX = 128;
const SHAPE = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;
const MS_PER_SECOND = 1_000;

/** A device token has no dots, so the two are never mistaken for each other. */
export function looksLikeJwt(password: Uint8Array): boolean {
  const dot = 0x2e;
  const first = password.indexOf(dot);
  return first > 0 && password.indexOf(dot, first + 1) > 0 && password[0] === 0x65 && password[1] === 0x79;
}

/**
 * Checks a JWT that a device shows. Which key decides is looked up with the tenant that the token claims and its `kid`,
 * and then the signature with that tenant's key proves the claim; nothing else in the token (`jku`, `x5u`, `jwk`) leads
 * to a key. Everything cheap comes before the signature, so that bad tokens cost little.
 */
export async function verifyDeviceJwt(password: Uint8Array, rules: JwtRules): Promise<JwtVerdict> {
  const { nowMs, findKey } = rules;
  if (password.length > JWT_BYTES_MAX) return invalid(`a token has ${JWT_BYTES_MAX} bytes at most`);
  const token = Buffer.from(password).toString('latin1');
  if (!SHAPE.test(token)) return invalid('it is not three parts of base64url');
  const [header, claims] = token.split('.').slice(0, 2).map(parseObject);
  if (header == null || claims == null) return invalid('header and claims are JSON objects');
  const { alg, kid } = header;
  if (!JWT_ALGORITHMS.some((each) => each === alg)) return invalid('its `alg` is not allowed');
  if (typeof kid !== 'string' || kid === '' || kid.length > KID_LENGTH_MAX) return invalid('it has no `kid`');
  const wrong = wrongClaim(claims, rules);
  if (wrong !== null) return wrong;
  const { tenant, sub, exp } = claims;
  const key = findKey(tenant as TenantId, kid);
  if (key === undefined) return invalid('its `kid` is no key of its tenant');
  if (!key.algorithms.some((each) => each === alg)) return invalid('its `alg` is not that of the key');
  try {
    await jwtVerify(token, key.key, {
      algorithms: [...key.algorithms],
      audience: rules.audience,
      ...(rules.issuer === '' ? {} : { issuer: rules.issuer }),
      currentDate: new Date(nowMs),
      clockTolerance: rules.clockSkewMs / MS_PER_SECOND,
      requiredClaims: ['exp', 'sub', 'aud', 'tenant'],
    });
  } catch (error) {
    return invalid(error instanceof Error ? error.message : 'it cannot be verified');
  }
  return {
    kind: 'verified',
    tenant: tenant as TenantId,
    device: sub as DeviceId,
    kid,
    keyHash: key.hash,
    expiresAtMs: (exp as number) * MS_PER_SECOND,
  };
}

type Claims = Readonly<Record<string, unknown>>;

function wrongClaim(claims: Claims, { nowMs, lifeMsMax, clockSkewMs }: JwtRules): TrustRefusal | null {
  const { tenant, sub, exp, iat } = claims;
  if (typeof tenant !== 'string' || !isTenantId(tenant)) return invalid('its claim `tenant` is no tenant id');
  if (typeof sub !== 'string' || !isDeviceId(sub)) return invalid('its claim `sub` is no device id');
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return invalid('it has no `exp`');
  const expiresAtMs = exp * MS_PER_SECOND;
  if (expiresAtMs <= nowMs) return refused('JWT_EXPIRED', 'it has expired');
  if (iat !== undefined && typeof iat !== 'number') return invalid('its `iat` is no number');
  const issuedAtMs = iat === undefined ? nowMs : iat * MS_PER_SECOND;
  if (issuedAtMs > nowMs + clockSkewMs) return invalid('its `iat` is in the future');
  if (expiresAtMs - issuedAtMs > lifeMsMax) return invalid(`it is good for longer than ${lifeMsMax / MS_PER_SECOND} s`);
  return null;
}

function parseObject(part: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : null;
  } catch {
    return null;
  }
}

function invalid(detail: string): TrustRefusal {
  return refused('JWT_INVALID', detail);
}
