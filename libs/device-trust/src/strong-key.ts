import type { KeyObject } from 'node:crypto';

const RSA_BITS_MIN = 2_048;
/** Longer ones cost us more to check than they give anybody. */
const RSA_BITS_MAX = 8_192;
const RSA_EXPONENT_MIN = 65_537n;
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** Null for a public key that may vouch for devices, else what is wrong with it. */
export function weaknessOf(key: KeyObject): string | null {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      if (modulusLength < RSA_BITS_MIN) return `an RSA key needs ${RSA_BITS_MIN} bits, it has ${modulusLength}`;
      if (modulusLength > RSA_BITS_MAX) return `an RSA key may have ${RSA_BITS_MAX} bits, it has ${modulusLength}`;
      return publicExponent < RSA_EXPONENT_MIN ? `the exponent of an RSA key is at least ${RSA_EXPONENT_MIN}` : null;
    case 'ec':
      return CURVES.has(namedCurve) ? null : 'an elliptic curve key is on P-256, P-384 or P-521';
    case 'ed25519':
      return null;
    default:
      return 'a key is RSA, on P-256, P-384 or P-521, or Ed25519';
  }
}
