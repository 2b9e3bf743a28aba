import {
  deviceKey,
  splitDeviceKey,
  type DeviceId,
  type DeviceKey,
  type Incarnation,
  type TenantId,
} from '@breakwater/twin';
import type { DeviceRegistry, RegisteredDevice, Tenant } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { redisKeys } from './redis-keys.ts';
import {
  createDeviceScript,
  createTenantScript,
  deleteDeviceScript,
  listDevicesScript,
  rotateTokenScript,
} from './scripts/registry-scripts.ts';

/** Tenants and devices. Every step that touches more than one key is one script. */
export class RedisDeviceRegistry implements DeviceRegistry {
  readonly #redis: Redis;

  constructor(redis: Redis) {
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
  ): Promise<RegisteredDevice | 'DEVICE_EXISTS'> {
    const incarnation = (await createDeviceScript.run(
      this.#redis,
      [...listKeys(tenant), redisKeys.incarnations(tenant), redisKeys.deviceTokens],
      [device, tokenHash, nowMs, deviceKey(tenant, device)],
    )) as Incarnation | 0;
    return incarnation === 0 ? 'DEVICE_EXISTS' : { tenant, device, incarnation, createdAtMs: nowMs };
  }

  async findDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null> {
    return registeredOf(tenant, device, await this.#redis.hget(redisKeys.devices(tenant), device));
  }

  async listDevices(tenant: TenantId, after: string | null, limit: number): Promise<readonly RegisteredDevice[]> {
    const start = after === null ? '-' : `(${after}`;
    const flat = (await listDevicesScript.run(this.#redis, listKeys(tenant), [start, limit])) as string[];
    const devices: RegisteredDevice[] = [];
    for (let at = 0; at < flat.length; at += 2) {
      devices.push(registeredOf(tenant, flat[at] as DeviceId, flat[at + 1]!)!);
    }
    return devices;
  }

  async deleteDevice(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice | null> {
    const keys = [...listKeys(tenant), redisKeys.deviceTokens];
    return registeredOf(tenant, device, (await deleteDeviceScript.run(this.#redis, keys, [device])) as string | null);
  }

  async rotateToken(tenant: TenantId, device: DeviceId, tokenHash: string): Promise<RegisteredDevice | null> {
    const keys = [redisKeys.devices(tenant), redisKeys.deviceTokens];
    const stored = await rotateTokenScript.run(this.#redis, keys, [device, tokenHash, deviceKey(tenant, device)]);
    return registeredOf(tenant, device, stored as string | null);
  }

  async deviceOfToken(tokenHash: string): Promise<RegisteredDevice | null> {
    const key = (await this.#redis.hget(redisKeys.deviceTokens, tokenHash)) as DeviceKey | null;
    if (key === null) return null;
    const { tenant, device } = splitDeviceKey(key);
    const stored = await this.#redis.hget(redisKeys.devices(tenant), device);
    // The token may have been rotated between the two reads: what the device holds is what counts.
    return stored?.endsWith(` ${tokenHash}`) === true ? registeredOf(tenant, device, stored) : null;
  }
}

function listKeys(tenant: TenantId): readonly string[] {
  return [redisKeys.devices(tenant), redisKeys.deviceOrder(tenant)];
}

function registeredOf(tenant: TenantId, device: DeviceId, stored: string | null): RegisteredDevice | null {
  if (stored === null) return null;
  const [incarnation, createdAtMs] = stored.split(' ', 2);
  return { tenant, device, incarnation: Number(incarnation) as Incarnation, createdAtMs: Number(createdAtMs) };
}
