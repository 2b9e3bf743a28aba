import type { DeviceId, TenantId } from '@breakwater/twin';
import type { CommandClaim, CommandIndex } from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';

/** One key per command id, with an expiry. */
export class RedisCommandIndex implements CommandIndex {
  readonly #redis: RedisClient;

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  async claim(tenant: TenantId, commandId: string, claim: CommandClaim, ttlMs: number): Promise<CommandClaim | null> {
    const key = redisKeys.command(tenant, commandId);
    return claimOf(await this.#redis.set(key, textOf(claim), 'PX', ttlMs, 'NX', 'GET'));
  }

  async find(tenant: TenantId, commandId: string): Promise<CommandClaim | null> {
    return claimOf(await this.#redis.get(redisKeys.command(tenant, commandId)));
  }

  async release(tenant: TenantId, commandId: string): Promise<void> {
    await this.#redis.del(redisKeys.command(tenant, commandId));
  }
}

function textOf({ device, bodyDigest, deadlineMs, claimedAtMs }: CommandClaim): string {
  return JSON.stringify([device, bodyDigest, deadlineMs, claimedAtMs]);
}

function claimOf(text: string | null): CommandClaim | null {
  if (text === null) return null;
  const [device, bodyDigest, deadlineMs, claimedAtMs] = JSON.parse(text) as [DeviceId, string, number, number];
  return { device, bodyDigest, deadlineMs, claimedAtMs };
}
