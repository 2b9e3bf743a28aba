import { type DeviceId, type DeviceKey, deviceKey, type Incarnation, type TenantId } from '@breakwater/twin';
import {
  DEFAULT_DEVICE_PROFILE,
  type ChildLimits,
  type DeviceProfile,
  type DeviceRegistry,
  type RegisteredDevice,
  type Tenant,
} from '@breakwater/twin-runtime';

interface StoredDevice {
  readonly registered: RegisteredDevice;
  /** Null: a child device, which has none of its own. */
  readonly tokenHash: string | null;
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
    profile: DeviceProfile = DEFAULT_DEVICE_PROFILE,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS'> {
    const key = deviceKey(tenant, device);
    if (this.#devices.has(key)) return 'DEVICE_EXISTS';
    this.#devicesByToken.set(tokenHash, key);
    return this.#add(key, { tenant, device, createdAtMs: nowMs, profile }, tokenHash);
  }

  async createChild(
    tenant: TenantId,
    child: { readonly device: DeviceId; readonly via: DeviceId; readonly nowMs: number },
    limits: ChildLimits,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS' | 'CHILDREN_LIMIT'> {
    const { device, via, nowMs } = child;
    const key = deviceKey(tenant, device);
    if (this.#devices.has(key)) return 'DEVICE_EXISTS';
    if (this.#childrenOf(tenant, via) >= limits.childrenMax) return 'CHILDREN_LIMIT';
    const profile = { ...DEFAULT_DEVICE_PROFILE, via };
    return this.#add(key, { tenant, device, createdAtMs: nowMs, profile }, null);
  }

  async updateProfile(
    tenant: TenantId,
    device: DeviceId,
    { profile: change, childrenMax }: { readonly profile: Partial<DeviceProfile> } & ChildLimits,
  ): Promise<RegisteredDevice | 'CHILDREN_LIMIT' | null> {
    const key = deviceKey(tenant, device);
    const stored = this.#devices.get(key);
    if (stored === undefined) return null;
    const profile = { ...stored.registered.profile, ...change };
    const joins = profile.via !== null && profile.via !== stored.registered.profile.via;
    if (joins && this.#childrenOf(tenant, profile.via as DeviceId) >= childrenMax) return 'CHILDREN_LIMIT';
    const registered = { ...stored.registered, profile };
    this.#devices.set(key, { ...stored, registered });
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
    if (stored.tokenHash !== null) this.#devicesByToken.delete(stored.tokenHash);
    return stored.registered;
  }

  async rotateToken(tenant: TenantId, device: DeviceId, tokenHash: string): Promise<RegisteredDevice | null> {
    const key = deviceKey(tenant, device);
    const stored = this.#devices.get(key);
    if (stored === undefined) return null;
    if (stored.tokenHash !== null) this.#devicesByToken.delete(stored.tokenHash);
    this.#devicesByToken.set(tokenHash, key);
    this.#devices.set(key, { registered: stored.registered, tokenHash });
    return stored.registered;
  }

  async deviceOfToken(tokenHash: string): Promise<RegisteredDevice | null> {
    const key = this.#devicesByToken.get(tokenHash);
    return key === undefined ? null : (this.#devices.get(key)?.registered ?? null);
  }

  #add(key: DeviceKey, device: Omit<RegisteredDevice, 'incarnation'>, tokenHash: string | null): RegisteredDevice {
    const incarnation = ((this.#incarnations.get(key) ?? 0) + 1) as Incarnation;
    this.#incarnations.set(key, incarnation);
    const registered = { ...device, incarnation };
    this.#devices.set(key, { registered, tokenHash });
    return registered;
  }

  #childrenOf(tenant: TenantId, via: DeviceId): number {
    let count = 0;
    for (const { registered } of this.#devices.values()) {
      if (registered.tenant === tenant && registered.profile.via === via) count += 1;
    }
    return count;
  }
}
