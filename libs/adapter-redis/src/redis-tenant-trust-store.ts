import type { TenantId } from '@breakwater/twin';
import type { TenantTrust, TenantTrustStore, TrustChanges } from '@breakwater/twin-runtime';

import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import { pipelined } from './redis-script.ts';
import { replaceDeviceCaScript, replaceTrustScript } from './scripts/trust-scripts.ts';

const TAKEN = -1;

/** What the devices of tenants prove themselves with, one hash per tenant, and the tenants in the order of changes. */
export class RedisTenantTrustStore implements TenantTrustStore {
  readonly #redis: RedisClient;

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  async find(tenant: TenantId): Promise<TenantTrust | null> {
    const stored = await this.#redis.hgetall(redisKeys.trust(tenant));
    return Object.keys(stored).length === 0 ? null : trustOf(tenant, stored);
  }

  async replaceDeviceCa(
    tenant: TenantId,
    ca: { readonly pem: string; readonly keyHashes: readonly string[] } | null,
  ): Promise<'replaced' | 'CA_TAKEN'> {
    const keys = [...keysOf(tenant), redisKeys.trustCaKeys];
    const args = [tenant, ca?.pem ?? '', ...(ca?.keyHashes ?? [])];
    return (await replaceDeviceCaScript.run(this.#redis, keys, args)) === TAKEN ? 'CA_TAKEN' : 'replaced';
  }

  async replaceCrl(tenant: TenantId, pem: string | null): Promise<void> {
    await replaceTrustScript.run(this.#redis, keysOf(tenant), [tenant, 'crl', pem ?? '']);
  }

  async replaceJwks(tenant: TenantId, jwks: string | null): Promise<void> {
    await replaceTrustScript.run(this.#redis, keysOf(tenant), [tenant, 'jwks', jwks ?? '']);
  }

  async changedAfter(cursor: number, limit: number): Promise<TrustChanges> {
    const [version, flat] = (await pipelined(
      this.#redis
        .pipeline()
        .get(redisKeys.trustVersion)
        .zrangebyscore(redisKeys.trustOrder, `(${cursor}`, '+inf', 'WITHSCORES', 'LIMIT', 0, limit),
    )) as [string | null, string[]];
    const tenants = flat.filter((_, index) => index % 2 === 0) as TenantId[];
    // A tenant that changes between the two reads comes as it is then, and once more behind the cursor.
    const pipeline = this.#redis.pipeline();
    for (const tenant of tenants) pipeline.hgetall(redisKeys.trust(tenant));
    const stored = tenants.length === 0 ? [] : ((await pipelined(pipeline)) as Readonly<Record<string, string>>[]);
    return {
      changed: tenants.map((tenant, index) => trustOf(tenant, stored[index]!)),
      cursor: tenants.length === 0 ? cursor : Number(flat.at(-1)),
      version: Number(version ?? 0),
    };
  }
}

function keysOf(tenant: TenantId): readonly string[] {
  return [redisKeys.trust(tenant), redisKeys.trustOrder, redisKeys.trustVersion];
}

function trustOf(tenant: TenantId, stored: Readonly<Record<string, string>>): TenantTrust {
  const part = (name: string): string | null => (stored[name] === '' ? null : (stored[name] ?? null));
  return { tenant, deviceCa: part('deviceCa'), crl: part('crl'), jwks: part('jwks') };
}
