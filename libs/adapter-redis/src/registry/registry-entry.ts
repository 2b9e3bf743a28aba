import type { DeviceId, Incarnation, TenantId } from '@breakwater/twin';
import type { DeviceProfile } from '@breakwater/twin-runtime';

/**
 * One thing that the registry holds, as a copy of it names it. Secrets are in it as they are stored: as their SHA-256.
 * Together these are all that no other store and no record of the log could give back.
 */
export type RegistryEntry = TenantEntry | ApiKeyEntry | TrustEntry | DeviceEntry | EndedDeviceEntry;

export interface TenantEntry {
  readonly kind: 'tenant';
  readonly tenant: TenantId;
  readonly createdAtMs: number;
}

export interface ApiKeyEntry {
  readonly kind: 'apiKey';
  readonly tenant: TenantId;
  readonly keyHash: string;
}

/** What the devices of a tenant prove themselves with, beside their tokens. */
export interface TrustEntry {
  readonly kind: 'trust';
  readonly tenant: TenantId;
  readonly deviceCa: string | null;
  /** Of the public keys of `deviceCa`. */
  readonly caKeyHashes: readonly string[];
  readonly crl: string | null;
  readonly jwks: string | null;
}

export interface DeviceEntry {
  readonly kind: 'device';
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
  readonly createdAtMs: number;
  /** Null for one that is heard through another device only. */
  readonly tokenHash: string | null;
  readonly profile: DeviceProfile;
}

/** A device that is no more: the next one of its id must not be taken for it. */
export interface EndedDeviceEntry {
  readonly kind: 'endedDevice';
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
}

/**
 * What became of an entry that was written back. `same`: it is there already, or something newer of the same. The
 * others were left out: `DIFFERS`, it is there and says something else; `DELETED_SINCE`, the device was deleted after
 * the copy; `CREDENTIAL_TAKEN`, its secret belongs to somebody else here.
 */
export type RestoredEntry = 'written' | 'same' | EntryRefusal;
export const ENTRY_REFUSALS = ['DIFFERS', 'DELETED_SINCE', 'CREDENTIAL_TAKEN'] as const;
export type EntryRefusal = (typeof ENTRY_REFUSALS)[number];
