import { assert, deviceKey, type DeviceId, type Incarnation, type TenantId } from '@breakwater/twin';

import type { RedisClient } from '../redis-client.ts';
import { registeredOf } from '../redis-device-registry.ts';
import { redisKeys } from '../redis-keys.ts';
import { type RedisScript, type ScriptCall, valuesOf } from '../redis-script.ts';
import { RedisTenantTrustStore } from '../redis-tenant-trust-store.ts';
import {
  RESTORED,
  restoreApiKeyScript,
  restoreDeviceScript,
  restoreIncarnationScript,
} from '../scripts/registry-copy-scripts.ts';
import { listDevicesScript } from '../scripts/registry-scripts.ts';
import type {
  ApiKeyEntry,
  DeviceEntry,
  EndedDeviceEntry,
  RegistryEntry,
  RestoredEntry,
  TenantEntry,
  TrustEntry,
} from './registry-entry.ts';

/** Entries of one round trip, in either direction: some 100 KB. */
export const COPY_BATCH_ENTRIES = 500;
const NONE = '-';
const TOKEN_FIELD = 2;
const OUTCOMES = new Map<unknown, RestoredEntry>([
  [RESTORED.written, 'written'],
  [RESTORED.same, 'same'],
  [RESTORED.differs, 'DIFFERS'],
  [RESTORED.deletedSince, 'DELETED_SINCE'],
  [RESTORED.credentialTaken, 'CREDENTIAL_TAKEN'],
]);

type EntryOf<Kind extends RegistryEntry['kind']> = Extract<RegistryEntry, { readonly kind: Kind }>;

/**
 * Reads all of a registry, and writes it back. It may be in use meanwhile: what changes during the reading is in the
 * copy as it was or as it is, and writing only adds, never replaces, so that a restore may be cut off and said again.
 */
export class RedisRegistryCopy {
  readonly #redis: RedisClient;
  readonly #trust: RedisTenantTrustStore;

  constructor(redis: RedisClient) {
    this.#redis = redis;
    this.#trust = new RedisTenantTrustStore(redis);
  }

  async *read(): AsyncGenerator<RegistryEntry> {
    // A scan may meet a field twice; devices must not be read twice for it.
    const tenants = new Set<TenantId>();
    for await (const [tenant, createdAtMs] of this.#fields(redisKeys.tenants)) {
      if (tenants.has(tenant as TenantId)) continue;
      tenants.add(tenant as TenantId);
      yield { kind: 'tenant', tenant: tenant as TenantId, createdAtMs: Number(createdAtMs) };
    }
    for await (const [keyHash, tenant] of this.#fields(redisKeys.apiKeys)) {
      yield { kind: 'apiKey', tenant: tenant as TenantId, keyHash };
    }
    for (const tenant of tenants) {
      const trust = await this.#readTrust(tenant);
      if (trust !== null) yield trust;
      yield* this.#readDevices(tenant);
      yield* this.#readEndedDevices(tenant);
    }
  }

  /** What became of each, in their order. At most `COPY_BATCH_ENTRIES`. */
  async restore(entries: readonly RegistryEntry[]): Promise<readonly RestoredEntry[]> {
    assert(entries.length <= COPY_BATCH_ENTRIES, 'a batch of entries is bounded');
    const outcomes = new Map<RegistryEntry, RestoredEntry>();
    const of = <Kind extends RegistryEntry['kind']>(kind: Kind): readonly EntryOf<Kind>[] =>
      entries.filter((entry): entry is EntryOf<Kind> => entry.kind === kind);
    for (const entry of of('tenant')) outcomes.set(entry, await this.#restoreTenant(entry));
    await this.#runAll(restoreApiKeyScript, of('apiKey'), { callOf: apiKeyCall, outcomes });
    for (const entry of of('trust')) outcomes.set(entry, await this.#restoreTrust(entry));
    // Devices before those that ended: one that ended while the copy was taken is in it as both.
    await this.#runAll(restoreDeviceScript, of('device'), { callOf: deviceCall, outcomes });
    await this.#runAll(restoreIncarnationScript, of('endedDevice'), { callOf: incarnationCall, outcomes });
    return entries.map((entry) => outcomes.get(entry)!);
  }

  async #runAll<Entry extends RegistryEntry>(
    script: RedisScript,
    entries: readonly Entry[],
    to: { readonly callOf: (entry: Entry) => ScriptCall; readonly outcomes: Map<RegistryEntry, RestoredEntry> },
  ): Promise<void> {
    const replies = valuesOf(await script.runAll(this.#redis, entries.map(to.callOf)));
    for (const [at, entry] of entries.entries()) to.outcomes.set(entry, OUTCOMES.get(replies[at])!);
  }

  /** One that is there stays: its creation is no secret, and the first start of an api makes the tenant of its key. */
  async #restoreTenant({ tenant, createdAtMs }: TenantEntry): Promise<RestoredEntry> {
    const written = await this.#redis.call('HSETNX', redisKeys.tenants, tenant, createdAtMs);
    return written === 1 ? 'written' : 'same';
  }

  /** Part by part. One that was taken away here since is there, and empty: it stays away. */
  async #restoreTrust({ tenant, deviceCa, caKeyHashes, crl, jwks }: TrustEntry): Promise<RestoredEntry> {
    const present = await this.#redis.hgetall(redisKeys.trust(tenant));
    const parts = Object.entries({ deviceCa, crl, jwks }).filter(([, text]) => text !== null);
    const missing = parts.filter(([name]) => present[name] === undefined).map(([name]) => name);
    if (parts.some(([name, text]) => !missing.includes(name) && present[name] !== text)) return 'DIFFERS';
    if (missing.length === 0) return 'same';
    // The CA last, so that nobody whose certificate is revoked comes in before the list that says so.
    if (missing.includes('crl')) await this.#trust.replaceCrl(tenant, crl);
    if (missing.includes('jwks')) await this.#trust.replaceJwks(tenant, jwks);
    if (!missing.includes('deviceCa') || deviceCa === null) return 'written';
    const replaced = await this.#trust.replaceDeviceCa(tenant, { pem: deviceCa, keyHashes: caKeyHashes });
    return replaced === 'replaced' ? 'written' : 'CREDENTIAL_TAKEN';
  }

  async #readTrust(tenant: TenantId): Promise<TrustEntry | null> {
    const stored = await this.#redis.hgetall(redisKeys.trust(tenant));
    if (!['deviceCa', 'crl', 'jwks'].some((part) => (stored[part] ?? '') !== '')) return null;
    const part = (name: string): string | null => stored[name] || null;
    const caKeyHashes = (stored['caKeys'] ?? '').split(' ').filter((hash) => hash !== '');
    return { kind: 'trust', tenant, deviceCa: part('deviceCa'), caKeyHashes, crl: part('crl'), jwks: part('jwks') };
  }

  async *#readDevices(tenant: TenantId): AsyncGenerator<DeviceEntry> {
    const keys = [redisKeys.devices(tenant), redisKeys.deviceOrder(tenant)];
    for (let start = '-'; ;) {
      const flat = (await listDevicesScript.run(this.#redis, keys, [start, COPY_BATCH_ENTRIES])) as string[];
      if (flat.length === 0) return;
      for (let at = 0; at < flat.length; at += 2) yield deviceEntry(tenant, flat[at] as DeviceId, flat[at + 1]!);
      start = `(${flat.at(-2)}`;
    }
  }

  async *#readEndedDevices(tenant: TenantId): AsyncGenerator<EndedDeviceEntry> {
    for await (const page of this.#pages(redisKeys.incarnations(tenant))) {
      const present = await this.#redis.hmget(redisKeys.devices(tenant), ...page.map(([device]) => device));
      for (const [at, [device, incarnation]] of page.entries()) {
        if (present[at] != null) continue;
        yield {
          kind: 'endedDevice',
          tenant,
          device: device as DeviceId,
          incarnation: Number(incarnation) as Incarnation,
        };
      }
    }
  }

  async *#fields(key: string): AsyncGenerator<readonly [field: string, value: string]> {
    for await (const page of this.#pages(key)) yield* page;
  }

  async *#pages(key: string): AsyncGenerator<readonly (readonly [field: string, value: string])[]> {
    let cursor = '0';
    do {
      const [next, flat] = await this.#redis.hscan(key, cursor, 'COUNT', COPY_BATCH_ENTRIES);
      const page = flat.flatMap((field, at) => (at % 2 === 0 ? [[field, flat[at + 1]!] as const] : []));
      if (page.length > 0) yield page;
      cursor = next;
    } while (cursor !== '0');
  }
}

function deviceEntry(tenant: TenantId, device: DeviceId, stored: string): DeviceEntry {
  const { incarnation, createdAtMs, profile } = registeredOf(tenant, device, stored);
  const token = stored.split(' ')[TOKEN_FIELD]!;
  const tokenHash = token === NONE ? null : token;
  return { kind: 'device', tenant, device, incarnation, createdAtMs, tokenHash, profile };
}

function apiKeyCall({ keyHash, tenant }: ApiKeyEntry): ScriptCall {
  return { keys: [redisKeys.apiKeys], args: [keyHash, tenant] };
}

function deviceCall(entry: DeviceEntry): ScriptCall {
  const { tenant, device, incarnation, createdAtMs, profile } = entry;
  const token = entry.tokenHash ?? NONE;
  const via = profile.via ?? NONE;
  const stored = [incarnation, createdAtMs, token, profile.payloadFormat, Number(profile.isGateway), via].join(' ');
  return {
    keys: [
      ...[redisKeys.devices(tenant), redisKeys.deviceOrder(tenant), redisKeys.incarnations(tenant)],
      ...[redisKeys.deviceTokens, redisKeys.deviceChildren(tenant)],
    ],
    args: [device, stored, incarnation, token, deviceKey(tenant, device), via],
  };
}

function incarnationCall({ tenant, device, incarnation }: EndedDeviceEntry): ScriptCall {
  return { keys: [redisKeys.incarnations(tenant)], args: [device, incarnation] };
}
