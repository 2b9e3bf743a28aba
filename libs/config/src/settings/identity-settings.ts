import { integer, text } from '../define-settings.ts';

/** Settings of how the gateway finds out which device it speaks with. */
export const identitySettings = {
  trustPollMs: integer('GATEWAY_TRUST_POLL_MS', {
    default: 1_000,
    min: 100,
    max: 60_000,
    unit: 'ms',
    reason:
      'How often a gateway asks which tenants changed their device CA, revocation list or keys. A device that is revoked there is off after this and a moment.',
  }),
  verifiedChainsMax: integer('GATEWAY_VERIFIED_CERTIFICATES_MAX', {
    default: 20_000,
    min: 1,
    max: 1_000_000,
    unit: 'certificates',
    reason:
      'Client certificates, with their chains, that were found good and are not checked again when they are shown again. A change of what any tenant trusts forgets all of them.',
  }),
  jwtAudience: text('GATEWAY_JWT_AUDIENCE', {
    default: 'breakwater',
    lengthMin: 1,
    reason:
      'What has to be in the claim `aud` of a JWT that a device shows, so that no token for another service is good here.',
  }),
  jwtIssuer: text('GATEWAY_JWT_ISSUER', {
    default: '',
    reason:
      'What has to be in the claim `iss` of a JWT that a device shows, for keys that sign tokens for several issuers. Empty: it is not looked at, and the key of the tenant alone decides.',
  }),
  jwtLifeMsMax: integer('GATEWAY_JWT_LIFE_MAX_MS', {
    default: 86_400_000,
    min: 1_000,
    max: 31_536_000_000,
    unit: 'ms',
    reason: 'Longest life of a JWT, from `iat` to `exp`. A token that got lost is good for no longer than this.',
  }),
  jwtClockSkewMs: integer('GATEWAY_JWT_CLOCK_SKEW_MS', {
    default: 30_000,
    min: 0,
    max: 600_000,
    unit: 'ms',
    reason: 'How far the clock of who issues tokens may be ahead of ours (`iat`, `nbf`). `exp` counts as it is.',
  }),
} as const;
