import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

import { weaknessOf } from './strong-key.ts';
import { refused, type TrustRefusal } from './trust-refusal.ts';

/** Signatures by a private key only: with a shared secret the platform could make tokens itself, and `none` is none. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** A public key that signs tokens of a tenant's devices. */
export interface DeviceKey {
  readonly kid: string;
  readonly key: KeyObject;
  /** What it may be used with. A token does not choose beyond it. */
  readonly algorithms: readonly JwtAlgorithm[];
  /** SHA-256 of the key, in hex: another key under the same `kid` is another key. */
  readonly hash: string;
}

export type DeviceKeySet = ReadonlyMap<string, DeviceKey>;

const KEYS_MAX = 20;
const KID_LENGTH_MAX = 128;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const;
const ALGORITHMS_OF_CURVE: Readonly<Record<string, readonly JwtAlgorithm[]>> = {
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
};
const RSA_ALGORITHMS: readonly JwtAlgorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];

/** Reads a JWK Set (RFC 7517). */
export function readKeySet(jwks: unknown): TrustRefusal | { readonly kind: 'read'; readonly keys: DeviceKeySet } {
  const list = isObject(jwks) ? jwks['keys'] : undefined;
  if (!Array.isArray(list)) return refused('JWKS_INVALID', 'a JWK Set is an object with a list `keys`');
  if (list.length === 0 || list.length > KEYS_MAX) {
    return refused('JWKS_INVALID', `a JWK Set has 1 to ${KEYS_MAX} keys here`);
  }
  const keys = new Map<string, DeviceKey>();
  for (const [index, jwk] of list.entries()) {
    const key = readKey(jwk);
    if (typeof key === 'string') return refused('JWKS_INVALID', `keys/${index}: ${key}`);
    if (keys.has(key.kid)) return refused('JWKS_INVALID', `keys/${index}: there are two keys with this \`kid\``);
    keys.set(key.kid, key);
  }
  return { kind: 'read', keys };
}

function readKey(jwk: unknown): DeviceKey | string {
  if (!isObject(jwk)) return 'a key is an object';
  const { kid, use, key_ops: operations, alg } = jwk;
  // Somebody who sends a private key has published it; it must not be used, nor kept here.
  const secret = PRIVATE_MEMBERS.find((member) => member in jwk);
  if (secret !== undefined) return `it holds the private member \`${secret}\`: only public keys may be given`;
  if (typeof kid !== 'string' || kid === '' || kid.length > KID_LENGTH_MAX) {
    return `a \`kid\` of 1 to ${KID_LENGTH_MAX} characters is needed`;
  }
  if (use !== undefined && use !== 'sig') return 'its `use` is not `sig`';
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    return 'its `key_ops` do not include `verify`';
  }
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch {
    return 'it is no public key that can be read (`kty` RSA, EC or OKP with its members)';
  }
  const weakness = weaknessOf(key);
  if (weakness !== null) return weakness;
  const possible = algorithmsOf(key);
  if (alg !== undefined && !possible.some((each) => each === alg)) return 'its `alg` is not one for this kind of key';
  const algorithms = alg === undefined ? possible : possible.filter((each) => each === alg);
  const hash = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  return { kid, key, algorithms, hash };
}

function algorithmsOf(key: KeyObject): readonly JwtAlgorithm[] {
  if (key.asymmetricKeyType === 'rsa') return RSA_ALGORITHMS;
  if (key.asymmetricKeyType === 'ed25519') return ['EdDSA', 'Ed25519'];
  return ALGORITHMS_OF_CURVE[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
