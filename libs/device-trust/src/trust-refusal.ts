/** Why something cannot be trusted. The code is one of the platform's error codes, the sentence says what to mend. */
export interface TrustRefusal {
  readonly kind: 'refused';
  readonly code:
    | 'CERTIFICATE_INVALID'
    | 'CERTIFICATE_UNTRUSTED'
    | 'CERTIFICATE_EXPIRED'
    | 'CERTIFICATE_REVOKED'
    | 'CRL_INVALID'
    | 'JWKS_INVALID'
    | 'JWT_INVALID'
    | 'JWT_EXPIRED';
  readonly detail: string;
}

export function refused(code: TrustRefusal['code'], detail: string): TrustRefusal {
  return { kind: 'refused', code, detail };
}
