import type { DeviceId, Incarnation, TenantId } from '@breakwater/twin';

export interface RegisteredDevice {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
  readonly createdAtMs: number;
}

export interface Tenant {
  readonly tenant: TenantId;
  readonly createdAtMs: number;
}

/** Tenants, devices and what they prove themselves with. Secrets are given and kept as SHA-256 only. */
export interface DeviceRegistry {
  createTenant(tenant: TenantId, apiKeyHash: string, nowMs: number): Promise<Tenant | 'TENANT_EXISTS'>;
  /** The tenant whose API key has this hash. */
  tenantOfApiKey(apiKeyHash: string): Promise<TenantId | null>;
  tenantExists(tenant: TenantId): Promise<boolean>;
  createDevice(
    tenant: TenantId,
    device: DeviceId,
    tokenHash: string,
    nowMs: number,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS'>;
  findDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null>;
  /** In order of device id, after `after`. */
  listDevices(tenant: TenantId, after: string | null, limit: number): Promise<readonly RegisteredDevice[]>;
  /** Ends the incarnation; the next create of the id gets a higher one. */
  deleteDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null>;
  /** From now on only the new token is good. Null: no such device. */
  rotateToken(tenant: TenantId, device: DeviceId, tokenHash: string): Promise<RegisteredDevice | null>;
  /** The device whose token has this hash. */
  deviceOfToken(tokenHash: string): Promise<RegisteredDevice | null>;
}
