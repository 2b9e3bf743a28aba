import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';
import type { SessionDirectory, SessionEntry } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { redisKeys } from '../redis-keys.ts';
import { valuesOf } from '../redis-script.ts';
import {
  gatewayLivesScript,
  registerGatewayScript,
  renewGatewayScript,
  unregisterGatewayScript,
} from '../scripts/gateway-scripts.ts';
import { closeSessionScript, openSessionScript } from '../scripts/session-scripts.ts';

/** Two hashes per partition: the open sessions (`<epoch> <gateway>`), and every device's last session epoch. */
export class RedisSessionDirectory implements SessionDirectory {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async open(
    partition: Partition,
    key: DeviceKey,
    gatewayId: string,
  ): Promise<{ readonly sessionEpoch: SessionEpoch; readonly displaced: SessionEntry | null }> {
    const keys = [redisKeys.sessions(partition), redisKeys.sessionEpochs(partition)];
    const reply = await openSessionScript.run(this.#redis, keys, [key, gatewayId]);
    const [sessionEpoch, displaced] = reply as [SessionEpoch, string | null];
    return { sessionEpoch, displaced: entryOf(key, displaced ?? null) };
  }

  async close(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<boolean> {
    return (await closeSessionScript.run(this.#redis, [redisKeys.sessions(partition)], [key, sessionEpoch])) === 1;
  }

  async find(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly (SessionEntry | null)[]> {
    if (keys.length === 0) return [];
    const found = await this.#redis.hmget(redisKeys.sessions(partition), ...keys);
    return found.map((text, index) => entryOf(keys[index]!, text));
  }

  async scan(
    partition: Partition,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly SessionEntry[]; readonly cursor: string }> {
    const [next, flat] = await this.#redis.hscan(redisKeys.sessions(partition), cursor, 'COUNT', limit);
    const entries: SessionEntry[] = [];
    for (let at = 0; at < flat.length; at += 2) entries.push(entryOf(flat[at] as DeviceKey, flat[at + 1]!)!);
    return { entries, cursor: next };
  }

  async renewGateway(gatewayId: string, ttlMs: number): Promise<boolean> {
    return (await renewGatewayScript.run(this.#redis, gatewayKeys(gatewayId), [ttlMs])) === 1;
  }

  async registerGateway(gatewayId: string, ttlMs: number): Promise<void> {
    await registerGatewayScript.run(this.#redis, [redisKeys.gateway(gatewayId)], [ttlMs]);
  }

  async unregisterGateway(gatewayId: string): Promise<void> {
    await unregisterGatewayScript.run(this.#redis, gatewayKeys(gatewayId), []);
  }

  async liveGateways(gatewayIds: readonly string[]): Promise<ReadonlySet<string>> {
    const calls = gatewayIds.map((gatewayId) => ({ keys: gatewayKeys(gatewayId), args: [] }));
    const lives = valuesOf(await gatewayLivesScript.runAll(this.#redis, calls));
    return new Set(gatewayIds.filter((_, index) => lives[index] === 1));
  }
}

export function gatewayKeys(gatewayId: string): readonly string[] {
  return [redisKeys.gateway(gatewayId), redisKeys.gatewayChannel(gatewayId), redisKeys.gatewayChannelState(gatewayId)];
}

function entryOf(key: DeviceKey, text: string | null): SessionEntry | null {
  if (text === null) return null;
  const space = text.indexOf(' ');
  return { key, sessionEpoch: Number(text.slice(0, space)) as SessionEpoch, gatewayId: text.slice(space + 1) };
}
