import type { TenantId } from '@breakwater/twin';

/** What the devices of one tenant prove themselves with, beside their tokens. The texts were checked before. */
export interface TenantTrust {
  readonly tenant: TenantId;
  /** Certificates of the CAs whose certificates are devices, in PEM. */
  readonly deviceCa: string | null;
  /** Revocation lists of these CAs, in PEM. */
  readonly crl: string | null;
  /** Keys that sign the tokens of devices: a JWK Set, in JSON. */
  readonly jwks: string | null;
}

export interface TrustChanges {
  /** Each tenant that changed, as it is now. */
  readonly changed: readonly TenantTrust[];
  /** Where the next call goes on. */
  readonly cursor: number;
  /** The number of the newest change. Lower than a cursor: the store was restored, and is to be read anew from 0. */
  readonly version: number;
}

/** Every change gets the next number of one counter, so that a gateway learns of all of them by one cheap question. */
export interface TenantTrustStore {
  find(tenant: TenantId): Promise<TenantTrust | null>;
  /**
   * Replaces the CAs of a tenant; null takes them away. `keyHashes` are those of their public keys: a key vouches for
   * one tenant only, or a certificate would be two devices.
   */
  replaceDeviceCa(
    tenant: TenantId,
    ca: { readonly pem: string; readonly keyHashes: readonly string[] } | null,
  ): Promise<'replaced' | 'CA_TAKEN'>;
  replaceCrl(tenant: TenantId, pem: string | null): Promise<void>;
  replaceJwks(tenant: TenantId, jwks: string | null): Promise<void>;
  /** Tenants that changed after the cursor, 0 for all, oldest change first. */
  changedAfter(cursor: number, limit: number): Promise<TrustChanges>;
}
