import type { DeviceId, Incarnation, TenantId } from '@breakwater/twin';

/** How a device writes what it sends; `auto`: each message says so by its content type or its first byte. */
export const PAYLOAD_FORMATS = ['auto', 'json', 'cbor'] as const;
export type PayloadFormat = (typeof PAYLOAD_FORMATS)[number];

/** What an operator says of a device. */
export interface DeviceProfile {
  readonly payloadFormat: PayloadFormat;
  /** It may speak for child devices over its own connection. */
  readonly isGateway: boolean;
  /** The gateway device whose child it is; null: it is nobody's. */
  readonly via: DeviceId | null;
}

export const DEFAULT_DEVICE_PROFILE: DeviceProfile = { payloadFormat: 'auto', isGateway: false, via: null };

export interface RegisteredDevice {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly incarnation: Incarnation;
  readonly createdAtMs: number;
  readonly profile: DeviceProfile;
}

/** Where a child device comes into being, or is moved to. */
export interface ChildLimits {
  /** How many children a gateway device may have; devices that it has already stay. */
  readonly childrenMax: number;
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
    profile?: DeviceProfile,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS'>;
  /** A device without a token of its own: it is heard through the gateway device `via` only. */
  createChild(
    tenant: TenantId,
    child: { readonly device: DeviceId; readonly via: DeviceId; readonly nowMs: number },
    limits: ChildLimits,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS' | 'CHILDREN_LIMIT'>;
  /** Changes what is given and answers the device as it is then. Null: no such device. */
  updateProfile(
    tenant: TenantId,
    device: DeviceId,
    change: { readonly profile: Partial<DeviceProfile> } & ChildLimits,
  ): Promise<RegisteredDevice | 'CHILDREN_LIMIT' | null>;
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
