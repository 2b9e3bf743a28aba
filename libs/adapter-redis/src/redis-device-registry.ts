import {
  deviceKey,
  splitDeviceKey,
  type DeviceId,
  type DeviceKey,
  type Incarnation,
  type TenantId,
} from '@breakwater/twin';
import {
  DEFAULT_DEVICE_PROFILE,
  type ChildLimits,
  type DeviceProfile,
  type DeviceRegistry,
  type PayloadFormat,
  type RegisteredDevice,
  type Tenant,
} from '@breakwater/twin-runtime';

import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import {
  createDeviceScript,
  createTenantScript,
  deleteDeviceScript,
  listDevicesScript,
  rotateTokenScript,
  updateProfileScript,
} from './scripts/registry-scripts.ts';

/** In place of a token's hash, and of a gateway device: neither can be a single hyphen. */
const NO_TOKEN = '-';
const NOBODY = '-';
const TOKEN_FIELD = 2;
const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** What the script answers instead of an incarnation, which is 1 or more. */
const EXISTS = 0;
const LIMIT_REACHED = -1;

/** Tenants and devices. Every step that touches more than one key is one script. */
export class RedisDeviceRegistry implements DeviceRegistry {
  readonly #redis: RedisClient;

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  async createTenant(tenant: TenantId, apiKeyHash: string, nowMs: number): Promise<Tenant | 'TENANT_EXISTS'> {
    const keys = [redisKeys.tenants, redisKeys.apiKeys];
    const created = await createTenantScript.run(this.#redis, keys, [tenant, apiKeyHash, nowMs]);
    return created === 1 ? { tenant, createdAtMs: nowMs } : 'TENANT_EXISTS';
  }

  async tenantOfApiKey(apiKeyHash: string): Promise<TenantId | null> {
    return (await this.#redis.hget(redisKeys.apiKeys, apiKeyHash)) as TenantId | null;
  }

  async tenantExists(tenant: TenantId): Promise<boolean> {
    return (await this.#redis.hexists(redisKeys.tenants, tenant)) === 1;
  }

  async createDevice(
    tenant: TenantId,
    device: DeviceId,
    tokenHash: string,
    nowMs: number,
    profile: DeviceProfile = DEFAULT_DEVICE_PROFILE,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS'> {
    const created = await this.#create(tenant, { device, tokenHash, nowMs, profile }, UNLIMITED);
    if (created === 'CHILDREN_LIMIT') throw new Error('a device without a limit was refused by one');
    return created;
  }

  createChild(
    tenant: TenantId,
    { device, via, nowMs }: { readonly device: DeviceId; readonly via: DeviceId; readonly nowMs: number },
    { childrenMax }: ChildLimits,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS' | 'CHILDREN_LIMIT'> {
    const profile = { ...DEFAULT_DEVICE_PROFILE, via };
    return this.#create(tenant, { device, tokenHash: NO_TOKEN, nowMs, profile }, childrenMax);
  }

  async updateProfile(
    tenant: TenantId,
    device: DeviceId,
    { profile, childrenMax }: { readonly profile: Partial<DeviceProfile> } & ChildLimits,
  ): Promise<RegisteredDevice | 'CHILDREN_LIMIT' | null> {
    const { payloadFormat, isGateway, via } = profile;
    const stored = await updateProfileScript.run(
      this.#redis,
      [redisKeys.devices(tenant), redisKeys.deviceChildren(tenant)],
      [
        device,
        payloadFormat ?? '',
        isGateway === undefined ? '' : Number(isGateway),
        via === undefined ? '' : (via ?? NOBODY),
        childrenMax,
      ],
    );
    return stored === 0 ? 'CHILDREN_LIMIT' : foundOf(tenant, device, stored as string | null);
  }

  async #create(
    tenant: TenantId,
    {
      device,
      tokenHash,
      nowMs,
      profile,
    }: { device: DeviceId; tokenHash: string; nowMs: number; profile: DeviceProfile },
    childrenMax: number,
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS' | 'CHILDREN_LIMIT'> {
    const { payloadFormat, isGateway, via } = profile;
    const incarnation = (await createDeviceScript.run(
      this.#redis,
      [...listKeys(tenant), redisKeys.incarnations(tenant), redisKeys.deviceTokens, redisKeys.deviceChildren(tenant)],
      [
        device,
        tokenHash,
        nowMs,
        deviceKey(tenant, device),
        payloadFormat,
        Number(isGateway),
        via ?? NOBODY,
        childrenMax,
      ],
    )) as number;
    if (incarnation === EXISTS) return 'DEVICE_EXISTS';
    if (incarnation === LIMIT_REACHED) return 'CHILDREN_LIMIT';
    return { tenant, device, incarnation: incarnation as Incarnation, createdAtMs: nowMs, profile };
  }

  async findDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null> {
    return foundOf(tenant, device, await this.#redis.hget(redisKeys.devices(tenant), device));
  }

  async listDevices(tenant: TenantId, after: string | null, limit: number): Promise<readonly RegisteredDevice[]> {
    const start = after === null ? '-' : `(${after}`;
    const flat = (await listDevicesScript.run(this.#redis, listKeys(tenant), [start, limit])) as string[];
    const devices: RegisteredDevice[] = [];
    for (let at = 0; at < flat.length; at += 2) {
      devices.push(registeredOf(tenant, flat[at] as DeviceId, flat[at + 1]!));
    }
    return devices;
  }

  async deleteDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null> {
    const keys = [...listKeys(tenant), redisKeys.deviceTokens, redisKeys.deviceChildren(tenant)];
    return foundOf(tenant, device, (await deleteDeviceScript.run(this.#redis, keys, [device])) as string | null);
  }

  async rotateToken(tenant: TenantId, device: DeviceId, tokenHash: string): Promise<RegisteredDevice | null> {
    const keys = [redisKeys.devices(tenant), redisKeys.deviceTokens];
    const stored = await rotateTokenScript.run(this.#redis, keys, [device, tokenHash, deviceKey(tenant, device)]);
    return foundOf(tenant, device, stored as string | null);
  }

  async deviceOfToken(tokenHash: string): Promise<RegisteredDevice | null> {
    const key = (await this.#redis.hget(redisKeys.deviceTokens, tokenHash)) as DeviceKey | null;
    if (key === null) return null;
    const { tenant, device } = splitDeviceKey(key);
    const stored = await this.#redis.hget(redisKeys.devices(tenant), device);
    // The token may have been rotated between the two reads: what the device holds is what counts.
    return stored?.split(' ')[TOKEN_FIELD] === tokenHash ? registeredOf(tenant, device, stored) : null;
  }
}

function listKeys(tenant: TenantId): readonly string[] {
  return [redisKeys.devices(tenant), redisKeys.deviceOrder(tenant)];
}

function foundOf(tenant: TenantId, device: DeviceId, stored: string | null): RegisteredDevice | null {
  return stored === null ? null : registeredOf(tenant, device, stored);
}

/** What the text says that is stored of a device. */
export function registeredOf(tenant: TenantId, device: DeviceId, stored: string): RegisteredDevice {
  const [incarnation, createdAtMs, , payloadFormat, isGateway, via] = stored.split(' ');
  // What was stored before there were profiles ends with the token.
  const profile =
    payloadFormat === undefined
      ? DEFAULT_DEVICE_PROFILE
      : {
          payloadFormat: payloadFormat as PayloadFormat,
          isGateway: isGateway === '1',
          via: via === NOBODY ? null : (via as DeviceId),
        };
  return { tenant, device, incarnation: Number(incarnation) as Incarnation, createdAtMs: Number(createdAtMs), profile };
}
