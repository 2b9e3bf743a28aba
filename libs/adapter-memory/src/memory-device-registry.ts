import { type DeviceId, type DeviceKey, deviceKey, type Incarnation, type TenantId } from '@breakwater/twin';
import type { DeviceRegistry, RegisteredDevice, Tenant } from '@breakwater/twin-runtime';

interface StoredDevice {
  readonly registered: RegisteredDevice;
  readonly tokenHash: string;
}

/** The device registry in memory. */
export class MemoryDeviceRegistry implements DeviceRegistry {
  readonly #tenants = new Map<TenantId, Tenant>();
  readonly #tenantsByApiKey = new Map<string, TenantId>();
  readonly #devices = new Map<DeviceKey, StoredDevice>();
  readonly #devicesByToken = new Map<string, DeviceKey>();
  /** Outlives the devices: the next life of an id is a higher incarnation. */
  readonly #incarnations = new Map<DeviceKey, number>();

  async createTenant(tenant: TenantId, apiKeyHash: string, nowMs: number): Promise<Tenant | 'TENANT_EXISTS'> {
    if (this.#tenants.has(tenant)) return 'TENANT_EXISTS';
    const created = { tenant, createdAtMs: nowMs };
    this.#tenants.set(tenant, created);
    this.#tenantsByApiKey.set(apiKeyHash, tenant);
    return created;
  }

  async tenantOfApiKey(apiKeyHash: string): Promise<TenantId | null> {
    return this.#tenantsByApiKey.get(apiKeyHash) ?? null;
  }

  async tenantExists(tenant: TenantId): Promise<boolean> {
    return this.#tenants.has(tenant);
  }

  async createDevice(
    tenant: TenantId,
    device: DeviceId,
    tokenHash: string,
    nowMs: number,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS'> {
    const key = deviceKey(tenant, device);
    if (this.#devices.has(key)) return 'DEVICE_EXISTS';
    const incarnation = ((this.#incarnations.get(key) ?? 0) + 1) as Incarnation;
    this.#incarnations.set(key, incarnation);
    const registered = { tenant, device, incarnation, createdAtMs: nowMs };
    this.#devices.set(key, { registered, tokenHash });
    this.#devicesByToken.set(tokenHash, key);
    return registered;
  }

  async findDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null> {
    return this.#devices.get(deviceKey(tenant, device))?.registered ?? null;
  }

  async listDevices(tenant: TenantId, after: string | null, limit: number): Promise<readonly RegisteredDevice[]> {
    return [...this.#devices.values()]
      .map(({ registered }) => registered)
      .filter((each) => each.tenant === tenant && (after === null || each.device > after))
      .sort((left, right) => (left.device < right.device ? -1 : 1))
      .slice(0, limit);
  }

  async deleteDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null> {
    const key = deviceKey(tenant, device);
    const stored = this.#devices.get(key);
    if (stored === undefined) return null;
    this.#devices.delete(key);
    this.#devicesByToken.delete(stored.tokenHash);
    return stored.registered;
  }

  async rotateToken(tenant: TenantId, device: DeviceId, tokenHash: string): Promise<RegisteredDevice | null> {
    const key = deviceKey(tenant, device);
    const stored = this.#devices.get(key);
    if (stored === undefined) return null;
    this.#devicesByToken.delete(stored.tokenHash);
    this.#devicesByToken.set(tokenHash, key);
    this.#devices.set(key, { registered: stored.registered, tokenHash });
    return stored.registered;
  }

  async deviceOfToken(tokenHash: string): Promise<RegisteredDevice | null> {
    const key = this.#devicesByToken.get(tokenHash);
    return key === undefined ? null : (this.#devices.get(key)?.registered ?? null);
  }
}
