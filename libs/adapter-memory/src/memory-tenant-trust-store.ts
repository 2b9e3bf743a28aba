import type { TenantId } from '@breakwater/twin';
import type { TenantTrust, TenantTrustStore, TrustChanges } from '@breakwater/twin-runtime';

interface Stored {
  readonly trust: TenantTrust;
  readonly version: number;
}

/** The trust of tenants in memory. */
export class MemoryTenantTrustStore implements TenantTrustStore {
  readonly #stored = new Map<TenantId, Stored>();
  readonly #tenantsByKey = new Map<string, TenantId>();
  #version = 0;

  async find(tenant: TenantId): Promise<TenantTrust | null> {
    return this.#stored.get(tenant)?.trust ?? null;
  }

  async replaceDeviceCa(
    tenant: TenantId,
    ca: { readonly pem: string; readonly keyHashes: readonly string[] } | null,
  ): Promise<'replaced' | 'CA_TAKEN'> {
    const keyHashes = ca?.keyHashes ?? [];
    if (keyHashes.some((hash) => (this.#tenantsByKey.get(hash) ?? tenant) !== tenant)) return 'CA_TAKEN';
    for (const [hash, holder] of this.#tenantsByKey) {
      if (holder === tenant) this.#tenantsByKey.delete(hash);
    }
    for (const hash of keyHashes) this.#tenantsByKey.set(hash, tenant);
    this.#replace(tenant, { deviceCa: ca?.pem ?? null });
    return 'replaced';
  }

  async replaceCrl(tenant: TenantId, pem: string | null): Promise<void> {
    this.#replace(tenant, { crl: pem });
  }

  async replaceJwks(tenant: TenantId, jwks: string | null): Promise<void> {
    this.#replace(tenant, { jwks });
  }

  async changedAfter(cursor: number, limit: number): Promise<TrustChanges> {
    const found = [...this.#stored.values()]
      .filter(({ version }) => version > cursor)
      .sort((left, right) => left.version - right.version)
      .slice(0, limit);
    return {
      changed: found.map(({ trust }) => trust),
      cursor: found.at(-1)?.version ?? cursor,
      version: this.#version,
    };
  }

  #replace(tenant: TenantId, part: Partial<TenantTrust>): void {
    const before = this.#stored.get(tenant)?.trust ?? { tenant, deviceCa: null, crl: null, jwks: null };
    this.#version += 1;
    this.#stored.set(tenant, { trust: { ...before, ...part }, version: this.#version });
  }
}
