import { type Ban, banIdOf, type BanList, type BanSnapshot, type NewBan } from '@breakwater/twin-runtime';

import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import { findBanScript, liftBanScript, putBanScript, readBansScript } from './scripts/ban-scripts.ts';

const ENTRY_KEYS = [redisKeys.bans, redisKeys.banEnds] as const;
const ALL_KEYS = [...ENTRY_KEYS, redisKeys.bansVersion] as const;

/** The bans of the installation, on Redis' time. */
export class RedisBanList implements BanList {
  readonly #redis: RedisClient;
  readonly #bansMax: number;

  constructor(redis: RedisClient, options: { readonly bansMax: number }) {
    this.#redis = redis;
    this.#bansMax = options.bansMax;
  }

  async put({ subject, reason, durationMs }: NewBan): Promise<Ban> {
    const id = banIdOf(subject);
    const args = [id, durationMs, this.#bansMax, JSON.stringify({ subject, reason })];
    const [sinceMs, untilMs] = (await putBanScript.run(this.#redis, ALL_KEYS, args)) as [number, number];
    return { id, subject, reason, sinceMs, untilMs };
  }

  async lift(id: string): Promise<Ban | null> {
    return banOf((await liftBanScript.run(this.#redis, ALL_KEYS, [id])) as string | null);
  }

  async find(id: string): Promise<Ban | null> {
    return banOf((await findBanScript.run(this.#redis, ENTRY_KEYS, [id])) as string | null);
  }

  async read(version: string | null): Promise<BanSnapshot | null> {
    const reply = (await readBansScript.run(this.#redis, ALL_KEYS, [version ?? ''])) as string[] | null;
    if (reply === null) return null;
    const [current = '', ...stored] = reply;
    return { version: current, bans: stored.map((text) => banOf(text) as Ban) };
  }
}

/** Stored as `<since> <until> <JSON>`. */
function banOf(stored: string | null): Ban | null {
  if (stored === null) return null;
  const [since, until] = stored.split(' ', 2) as [string, string];
  const rest = stored.slice(since.length + until.length + 2);
  const { subject, reason } = JSON.parse(rest) as Pick<Ban, 'subject' | 'reason'>;
  return { id: banIdOf(subject), subject, reason, sinceMs: Number(since), untilMs: Number(until) };
}
